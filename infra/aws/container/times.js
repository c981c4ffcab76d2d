/**
 * What load balancer, task and process have to agree on, in seconds.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/load-balancer-connection-draining.html
 */

/** How long a connection may be silent: the load balancer's longest. The process keeps its own longer (`lib/server/server.ts`). */
export const IDLE_SECONDS = 4000;

/** A task that is to end: first the load balancer sends nothing new and lets streams go on, as long as a function may. */
export const DEREGISTRATION_SECONDS = 900;

/** Then the process is told to end, and ends what is still under way in its dialect. */
export const DRAIN_SECONDS = 110;

/** Then Fargate kills it: its longest. */
export const STOP_SECONDS = 120;

/** A new task is ready once the registrar, which runs every minute, has told it of a fleet. */
export const GRACE_SECONDS = 300;
