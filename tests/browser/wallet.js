// A wallet as browsers have them (EIP-1193, announced by EIP-6963); the test holds its key and signs.
(() => {
  const waiting = new Map();
  const listeners = new Map();
  let last = 0;
  window.testWallet_answered = (id, answer) => { waiting.get(id)?.(answer); waiting.delete(id); };
  const ask = (method, params) => new Promise((done, failed) => {
    const id = ++last;
    waiting.set(id, (answer) => (answer.error ? failed(Object.assign(new Error(answer.error.message), answer.error)) : done(answer.result)));
    window.testWallet(JSON.stringify({ id, method, params }));
  });
  const provider = {
    request: ({ method, params }) => ask(method, params ?? []),
    on: (name, listener) => { listeners.set(name, [...(listeners.get(name) ?? []), listener]); },
    removeListener: (name, listener) => { listeners.set(name, (listeners.get(name) ?? []).filter((one) => one !== listener)); },
  };
  window.testWallet_emit = (name, value) => (listeners.get(name) ?? []).forEach((listener) => listener(value));
  window.ethereum = provider;
  const detail = Object.freeze({ info: { uuid: "7d3e3b8e-53a4-4a46-9d0f-3a2f6f1d0c11", name: "Test wallet", icon: "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'/>", rdns: "test.wallet" }, provider });
  const announce = () => dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail }));
  addEventListener("eip6963:requestProvider", announce);
  announce();
})();
