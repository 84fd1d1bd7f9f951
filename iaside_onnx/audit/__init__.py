"""The main job: settings, survey, game, and what joins them."""
