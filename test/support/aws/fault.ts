/** An error as the AWS JSON 1.1 protocol carries it. */
export class AwsError extends Error {
  readonly type: string;
  readonly status: number;

  constructor(type: string, message: string, status = 400) {
    super(message);
    this.name = 'AwsError';
    this.type = type;
    this.status = status;
  }
}

/** What can be wrong with AWS. */
export type Fault =
  /** A token bucket; `burst` defaults to `perSecond`. Calls beyond it get ThrottlingException. */
  | { readonly kind: 'throttled'; readonly perSecond: number; readonly burst?: number }
  | { readonly kind: 'denied' }
  /** Takes the request and never answers. */
  | { readonly kind: 'hanging' }
  /** 500 InternalServerError. */
  | { readonly kind: 'broken' }
  /** 200 with JSON that breaks off. */
  | { readonly kind: 'malformed' }
  /** Resets the connection. */
  | { readonly kind: 'reset' }
  | { readonly kind: 'slow'; readonly milliseconds: number }
  /** The first `calls` calls pass, all later ones get 500: a sequence of writes that stops half way. */
  | { readonly kind: 'broken-after'; readonly calls: number };

/** What a fault does to the next call: nothing, an error, or something to the connection. */
export type Effect = 'hang' | 'malformed' | 'reset' | { readonly delay: number } | AwsError | undefined;

/** @returns a function that is asked once per call */
export const createFault = (fault: Fault, operation: string): (() => Effect) => {
  const broken = new AwsError('InternalServerError', 'An error occurred on the server side.', 500);
  switch (fault.kind) {
    case 'throttled': {
      const { perSecond, burst = perSecond } = fault;
      let tokens = burst;
      let filledAt = Date.now();
      return () => {
        const now = Date.now();
        tokens = Math.min(burst, tokens + ((now - filledAt) / 1000) * perSecond);
        filledAt = now;
        if (tokens < 1) return new AwsError('ThrottlingException', 'Rate exceeded');
        tokens -= 1;
        return undefined;
      };
    }
    case 'denied': {
      const message = `User: arn:aws:sts::123456789012:assumed-role/test is not authorized to perform: ${operation}`;
      return () => new AwsError('AccessDeniedException', message);
    }
    case 'broken-after': {
      let left = fault.calls;
      return () => {
        left -= 1;
        return left < 0 ? broken : undefined;
      };
    }
    case 'hanging':
      return () => 'hang';
    case 'malformed':
      return () => 'malformed';
    case 'reset':
      return () => 'reset';
    case 'slow':
      return () => ({ delay: fault.milliseconds });
    case 'broken':
      return () => broken;
  }
};
