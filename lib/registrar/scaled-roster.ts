import type { FleetWorker } from '../discovery/fleet.ts';
import type { ScaledService } from '../discovery/scaled-service.ts';
import type { ScaledEcsService } from './services.ts';
import type { Discovered } from './tasks.ts';

/** A scaled service as it was just discovered. */
export interface ScaledRoster {
  readonly name: string;
  readonly service: ScaledEcsService;
  /** `undefined`: ECS did not say; then nothing is decided. */
  readonly discovered: Pick<Discovered, 'running' | 'stopped'> | undefined;
  /** Its workers, examined. */
  readonly workers: readonly FleetWorker[];
  readonly apiKey: string | undefined;
  /** As the last snapshot shows it. */
  readonly shown: ScaledService | undefined;
}
