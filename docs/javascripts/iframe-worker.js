// Search on pages that are opened from the disk. Browsers start no worker from a file, so there its
// script runs in a hidden frame, which answers messages as a worker does. The theme looks for the
// name IFrameWorker.
if (location.protocol === "file:") {
  window.IFrameWorker = class IFrameWorker extends EventTarget {
    constructor(url) {
      super();
      this.waiting = [];
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.title = "search";
      document.body.append(frame);
      this.room = frame.contentWindow;
      this.room.postMessage = (data) =>
        this.dispatchEvent(new MessageEvent("message", { data }));
      this.room.importScripts = (...urls) =>
        urls.reduce((done, each) => done.then(() => this.load(each)), Promise.resolve());
      this.load(new URL(url, document.baseURI).href).then(() => {
        const waiting = this.waiting;
        this.waiting = null;
        waiting.forEach((data) => this.postMessage(data));
      });
    }

    load(url) {
      return new Promise((loaded, failed) => {
        const script = this.room.document.createElement("script");
        script.onload = loaded;
        script.onerror = failed;
        script.src = url;
        this.room.document.head.append(script);
      });
    }

    postMessage(data) {
      if (this.waiting) this.waiting.push(data);
      else this.room.dispatchEvent(new this.room.MessageEvent("message", { data }));
    }

    terminate() {
      this.room.frameElement.remove();
    }
  };
  window.Worker = window.IFrameWorker;
}
