import { believed, bodyOf, type Load, type LoadSource, type Work, type WorkSource } from './engine.ts';
import { seriesOf, totalOf } from './prometheus.ts';

const METRICS = '/metrics?scope=server&scope=backend';
const STATISTICS = '/haproxy?stats;csv';

/** A backend of this name takes questions, no work: health, model lists. Without one they count as requests do. */
const LOOKUPS = 'lookups';

/** What is counted at one server or backend, and in which proxy that is. */
type Counts = readonly (readonly [proxy: string | undefined, count: number])[];

interface Counters {
  readonly sessions: Counts;
  /** Of requests for one server. */
  readonly queued: Counts;
  /** Of requests for whichever server of a backend is free first. */
  readonly unassigned: Counts;
  /** Requests sent to a server since the proxy started; what the proxy answers itself is not among them. */
  readonly served: Counts;
}

const proxyOf = (labels: string): string | undefined => /(?:^|,)proxy="([^"]*)"/.exec(labels)?.[1];

const readMetrics = (body: string): Counters => {
  const counts = (name: string): Counts => seriesOf(body, name).map(({ labels, value }) => [proxyOf(labels), value]);
  return {
    sessions: counts('haproxy_server_current_sessions'),
    queued: counts('haproxy_server_current_queue'),
    unassigned: counts('haproxy_backend_current_queue'),
    served: counts('haproxy_server_sessions_total'),
  };
};

const readCsv = (body: string): Counters => {
  const [header, ...lines] = body.split('\n');
  const columns = header?.startsWith('# pxname,') ? header.slice(2).split(',') : [];
  const [kind, queue, sessions, served] = ['svname', 'qcur', 'scur', 'stot'].map((name) => columns.indexOf(name));
  // Names cannot hold a comma, and these columns come before any free text.
  const rows = lines.filter((line) => line !== '' && columns.length > 0).map((line) => line.split(','));
  const counts = (isMeant: (kind: string | undefined) => boolean, column = -1): Counts =>
    rows
      .filter((row) => isMeant(row[kind ?? -1]) && row[column] !== undefined)
      .map((row) => [row[0], row[column] === '' ? Number.NaN : Number(row[column])]);
  const isServer = (name: string | undefined) => name !== undefined && name !== 'FRONTEND' && name !== 'BACKEND';
  return {
    sessions: counts(isServer, sessions),
    queued: counts(isServer, queue),
    unassigned: counts((name) => name === 'BACKEND', queue),
    served: counts(isServer, served),
  };
};

/** Backends without a server (a statistics page) are none of ours. */
const loadOf = ({ sessions, queued, unassigned }: Counters): Load | undefined => {
  const total = (counts: Counts) => counts.reduce((sum, [, count]) => sum + (Number.isFinite(count) ? count : 0), 0);
  const known = sessions.filter(([, count]) => Number.isFinite(count));
  if (known.length === 0) return undefined;
  const proxies = new Set(known.map(([proxy]) => proxy));
  const ours = unassigned.filter(([proxy]) => proxies.has(proxy));
  return { running: total(known), waiting: total(queued) + total(ours) };
};

const workOf = (counters: Counters): Work | undefined => {
  const proxies = new Set(counters.sessions.map(([proxy]) => proxy).filter((proxy) => proxy !== LOOKUPS));
  const ours = (counts: Counts) => counts.filter(([proxy]) => proxies.has(proxy));
  const total = (counts: Counts) => totalOf(ours(counts).map(([, count]) => count));
  const { sessions, queued, unassigned, served } = counters;
  // Each server has all three; where one is missing, the answer was cut.
  const servers = ours(sessions).length;
  if (servers === 0 || ours(queued).length !== servers || ours(served).length !== servers) return undefined;
  return believed({ running: total(sessions), waiting: total(queued) + total(unassigned), served: total(served) });
};

/**
 * A HAProxy in front of a worker, for engines that report no load (`load: "haproxy"`): the worker's `url` is the
 * proxy's, and the proxy's `maxconn` on the server line is the number of requests the engine works on at once. Read on
 * the worker's own origin, the first that answers:
 *
 * 1. `/metrics`, the Prometheus service: `http-request use-service prometheus-exporter if { path /metrics }`
 * 2. `/haproxy?stats;csv`, the statistics page at its default address: `stats enable`
 *
 * Source: HAProxy Management Guide 9.1 (CSV columns), its `prometheus-exporter` README; tried with 2.6.
 */
export const haproxyLoadSources: readonly LoadSource[] = [
  { path: METRICS, read: (body) => loadOf(readMetrics(body)) },
  { path: STATISTICS, read: (body) => loadOf(readCsv(body)) },
];

const countsQuestions = ({ sessions }: Counters) => !sessions.some(([proxy]) => proxy === LOOKUPS);

/**
 * What such a proxy has sent to its servers (`stot`, `haproxy_server_sessions_total`: each request of a kept connection
 * counts). Neither of the two questions does, since the proxy answers them itself; a worker's health and model lists do,
 * unless the proxy sends them through a backend called `lookups`:
 *
 *     use_backend lookups if { method GET HEAD } !{ req.hdr(upgrade) -m found }
 */
export const haproxyWorkSources: readonly WorkSource[] = [
  {
    paths: [METRICS],
    read: (answers) => workOf(readMetrics(bodyOf(answers, METRICS) ?? '')),
    countsQuestions: (answers) => countsQuestions(readMetrics(bodyOf(answers, METRICS) ?? '')),
  },
  {
    paths: [STATISTICS],
    read: (answers) => workOf(readCsv(bodyOf(answers, STATISTICS) ?? '')),
    countsQuestions: (answers) => countsQuestions(readCsv(bodyOf(answers, STATISTICS) ?? '')),
  },
];
