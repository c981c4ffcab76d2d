/**
 * An osls plugin: with `door=container` one service stands for the functions of all families, and they are left out; the
 * registrar stays one.
 */
export default class WithoutFunctions {
  /** @param {{ service: { functions: Record<string, unknown>, custom?: { door?: string } } }} serverless */
  constructor({ service }) {
    this.hooks = {
      initialize: () => {
        if (service.custom?.door !== 'container') return;
        const { registrar } = service.functions;
        service.functions = { registrar };
      },
    };
  }
}
