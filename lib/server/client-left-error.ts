import { GatewayError } from '../errors.ts';

/** The client closed its connection before it had its answer. Nobody will read this one; nginx logs it as 499. */
export class ClientLeftError extends GatewayError {
  constructor() {
    super(499, 'client_closed_request', 'The client closed the connection.');
  }
}
