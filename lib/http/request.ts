/** A request as HTTP has it, whatever host received it. */
export interface HttpRequest {
  readonly method: string;
  /** As sent: percent-encoded, trailing slash included. */
  readonly path: string;
  /** As sent, without the `?`; empty when there is none. */
  readonly query: string;
  /** Lower-case names; several values of one name are joined by a comma (payload format 2.0). */
  readonly headers: Record<string, string>;
  readonly cookies: readonly string[];
  /** Text or base64 as delivered; after the JSON parser, the parsed value. */
  body: unknown;
  isBase64Encoded: boolean;
  /** The body's bytes; decoded when first asked for. */
  bytes: () => Buffer;
  readonly sourceIp: string;
  readonly host: string;
}

/** Gives a request another body, as the platform would have delivered it. */
export const setBody = (request: HttpRequest, bytes: Buffer): void => {
  request.bytes = () => bytes;
  request.body = bytes.toString('base64');
  request.isBase64Encoded = true;
};
