import { DescribeServicesCommand, type ECSClient, type Service, UpdateServiceCommand } from '@aws-sdk/client-ecs';
import type { Look } from './service-look.ts';

/** `DescribeServices` takes so many. */
const SERVICES_PER_CALL = 10;

/** What ECS says of a service itself. */
export type Counted = Pick<Look, 'desired' | 'unplaced'>;

type Named = { readonly cluster: string; readonly service: string };

/**
 * ECS's own words for a task that it has no place for.
 * @see https://docs.aws.amazon.com/AmazonECS/latest/developerguide/service-event-messages-list.html
 */
const UNPLACED = /unable to place a task/i;

const unplacedIn = ({ events = [] }: Service): Look['unplaced'] => {
  const [latest] = events
    .flatMap(({ createdAt, message = '' }) =>
      createdAt && UNPLACED.test(message) ? [{ at: createdAt.getTime(), reason: message }] : [],
    )
    .sort((a, b) => b.at - a.at);
  // Where it tells whole seconds, it may mean any moment of one.
  return latest && { ...latest, at: latest.at % 1000 === 0 ? latest.at + 999 : latest.at };
};

const lastPart = (nameOrArn: string) => nameOrArn.split('/').at(-1);

/**
 * Reads the counts of services, ten a call.
 * @returns name of `services/<name>` -> what ECS says, or why it says nothing.
 */
export const readCounts = async (
  ecs: ECSClient,
  services: readonly (readonly [string, Named])[],
  abortSignal: AbortSignal,
): Promise<ReadonlyMap<string, Counted | Error>> => {
  const counts = new Map<string, Counted | Error>();
  const clusters = Map.groupBy(services, ([, { cluster }]) => cluster);
  for (const [cluster, all] of clusters) {
    for (let start = 0; start < all.length; start += SERVICES_PER_CALL) {
      const some = all.slice(start, start + SERVICES_PER_CALL);
      try {
        const names = [...new Set(some.map(([, { service }]) => service))];
        const command = new DescribeServicesCommand({ cluster, services: names });
        const { services: described = [] } = await ecs.send(command, { abortSignal });
        const found = new Map(
          described
            .filter(({ status }) => status !== 'INACTIVE')
            .map((one) => [one.serviceName ?? lastPart(one.serviceArn ?? ''), one]),
        );
        for (const [name, { service }] of some) {
          const one = found.get(lastPart(service));
          const count = one?.desiredCount;
          counts.set(
            name,
            one && count !== undefined
              ? { desired: count, unplaced: unplacedIn(one) }
              : new Error(`ECS has no service ${service} in ${cluster}`),
          );
        }
      } catch (error) {
        for (const [name] of some) counts.set(name, error instanceof Error ? error : new Error(String(error)));
      }
    }
  }
  return counts;
};

/** @throws errors of the SDK. */
export const setCount = async (
  ecs: ECSClient,
  { cluster, service }: Named,
  desiredCount: number,
  abortSignal: AbortSignal,
): Promise<void> => {
  await ecs.send(new UpdateServiceCommand({ cluster, service, desiredCount }), { abortSignal });
};
