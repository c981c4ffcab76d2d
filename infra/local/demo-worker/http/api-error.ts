/** A refusal or failure with a meaning for the client; `api/dialect.ts` gives it the caller's shape. */
export class ApiError extends Error {
  readonly status: number;
  /** OpenAI's `code`, `model_not_found`. */
  readonly code: string | null;
  /** The request field at fault, where one is. */
  readonly param: string | null;

  constructor(status: number, message: string, { code, param }: { code?: string; param?: string } = {}) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code ?? null;
    this.param = param ?? null;
  }
}
