// A page that is opened from disk may start no worker: there a hidden frame runs the search.
if (location.protocol === "file:") window.Worker = class {
  constructor(url) {
    this.frame = Object.assign(document.createElement("iframe"), {hidden: true});
    document.body.append(this.frame);
    const inside = this.frame.contentWindow;
    inside.postMessage = data => setTimeout(() => this.onmessage?.({data}));
    const script = Object.assign(inside.document.createElement("script"), {src: url});
    this.ready = new Promise((loaded, failed) => Object.assign(script, {onload: loaded, onerror: failed}));
    this.ready.catch(error => this.onerror?.(error));
    inside.document.body.append(script);
  }
  postMessage(data) {
    const inside = this.frame.contentWindow;
    this.ready.then(() => inside.dispatchEvent(new inside.MessageEvent("message", {data})), () => {});
  }
  terminate() { this.frame.remove(); }
};
