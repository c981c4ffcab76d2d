import type { Load, LoadSource } from './engine.ts';
import { samplesOf } from './prometheus.ts';

const proxyOf = (labels: string): string | undefined => /(?:^|,)proxy="([^"]*)"/.exec(labels)?.[1];

/**
 * Running: sessions on the servers. Waiting: requests queued for one server, and requests queued in a backend for
 * whichever of its servers is free first. Backends without a server (a statistics page) are none of ours.
 */
const readMetrics = (body: string): Load | undefined => {
  const sessions = samplesOf(body, 'haproxy_server_current_sessions');
  if (sessions.length === 0) return undefined;
  const proxies = new Set(sessions.map(({ labels }) => proxyOf(labels)));
  const queued = [
    ...samplesOf(body, 'haproxy_server_current_queue'),
    ...samplesOf(body, 'haproxy_backend_current_queue').filter(({ labels }) => proxies.has(proxyOf(labels))),
  ];
  const total = (samples: readonly { value: number }[]) => samples.reduce((sum, { value }) => sum + value, 0);
  return { running: total(sessions), waiting: total(queued) };
};

const readCsv = (body: string): Load | undefined => {
  const [header, ...lines] = body.split('\n');
  const columns = header?.startsWith('# ') ? header.slice(2).split(',') : [];
  const [proxy, service, queue, sessions] = ['pxname', 'svname', 'qcur', 'scur'].map((name) => columns.indexOf(name));
  if (proxy !== 0 || service === undefined || queue === undefined || sessions === undefined) return undefined;
  if (service < 0 || queue < 0 || sessions < 0) return undefined;
  // Names cannot hold a comma, and the four columns come before any free text.
  const rows = lines.filter((line) => line !== '').map((line) => line.split(','));
  const servers = rows.filter((row) => row[service] !== 'FRONTEND' && row[service] !== 'BACKEND');
  if (servers.length === 0) return undefined;
  const proxies = new Set(servers.map((row) => row[0]));
  const backends = rows.filter((row) => row[service] === 'BACKEND' && proxies.has(row[0]));
  const total = (of: string[][], column: number) => of.reduce((sum, row) => sum + (Number(row[column]) || 0), 0);
  return { running: total(servers, sessions), waiting: total(servers, queue) + total(backends, queue) };
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
  { path: '/metrics?scope=server&scope=backend', read: readMetrics },
  { path: '/haproxy?stats;csv', read: readCsv },
];
