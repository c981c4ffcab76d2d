/**
 * CloudFront's viewer-request function. Runtime `cloudfront-js-2.0` is ES 5.1 with `const`, arrow functions and
 * template literals, and knows no modules: `viewer-request-function.js` takes the `export` away when it puts this text into the stack.
 *
 * - `accept-encoding` goes: a stream must not be compressed anywhere on its way.
 * - A body that cannot pass through Lambda's 6 MB is refused here, in the words of the API that was called; Lambda
 *   itself would answer in its own, before any function runs.
 * @see https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-javascript-runtime-20.html
 */

/** Lambda's event, 6,291,456 bytes of JSON, less what headers take. Text passes as it is, all else as base64. */
const TEXT_LIMIT = 6283264;
const BINARY_LIMIT = 4712448;
/** Whether there is a bucket for more, and who speaks how: `viewer-request-function.js` writes both in, from the endpoint table. */
const TAKES_UPLOADS = false;
/** @type {[path: RegExp, dialect: string][]} */
const DIALECTS = [];
const TEXT_TYPE = /^(text\/.*|application\/(json|xml|javascript))$/;
const USABLE_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** @typedef {Record<string, { value: string }>} Headers */
/** @typedef {{ context: { requestId: string }, request: { uri: string, headers: Headers } }} ViewerEvent */

/** @param {Headers} headers @param {string} name */
const headerOf = (headers, name) => (headers[name] ? headers[name].value : '');

/** @param {string} uri @param {string} message @param {string} id */
const errorBody = (uri, message, id) => {
  const dialect = DIALECTS.filter((one) => one[0].test(uri)).map((one) => one[1])[0];
  if (dialect === 'anthropic') {
    return { type: 'error', error: { type: 'request_too_large', message: message }, request_id: id };
  }
  if (dialect === 'ollama') return { error: message };
  return { error: { message: message, type: 'invalid_request_error', code: 'request_too_large', param: null } };
};

/** @param {ViewerEvent} event @param {number} size @param {number} limit */
const tooLarge = (event, size, limit) => {
  const request = event.request;
  const headers = request.headers;
  const given = [headerOf(headers, 'x-correlation-id'), headerOf(headers, 'x-request-id')];
  const id = given.filter((one) => USABLE_ID.test(one))[0] || event.context.requestId;
  const instead = TAKES_UPLOADS ? ', or upload them first with POST /v1/uploads' : '';
  const message = `The body has ${size} bytes; ${limit} fit through. Send less at once: shorten the text, or compress or split the media${instead}.`;
  return {
    statusCode: 413,
    statusDescription: 'Content Too Large',
    headers: {
      'content-type': { value: 'application/json' },
      'x-correlation-id': { value: id },
      'x-request-id': { value: id },
      'request-id': { value: id },
    },
    body: { encoding: 'text', data: JSON.stringify(errorBody(request.uri, message, id)) },
  };
};

/** @param {ViewerEvent} event */
export function handler(event) {
  const request = event.request;
  const type = headerOf(request.headers, 'content-type').replace(/;.*$/, '').trim().toLowerCase();
  const isText = TEXT_TYPE.test(type) && !request.headers['content-encoding'];
  const limit = isText ? TEXT_LIMIT : BINARY_LIMIT;
  const size = Number(headerOf(request.headers, 'content-length'));
  if (size > limit) return tooLarge(event, size, limit);
  delete request.headers['accept-encoding'];
  return request;
}
