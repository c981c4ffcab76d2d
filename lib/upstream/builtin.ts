/**
 * Node's own modules, loaded when they are needed: a static ESM import of node:http costs every cold start 20 ms, and
 * a plain http fleet never loads TLS.
 */
export const builtin = {
  http: () => process.getBuiltinModule('node:http'),
  https: () => process.getBuiltinModule('node:https'),
  zlib: () => process.getBuiltinModule('node:zlib'),
};
