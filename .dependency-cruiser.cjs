/**
 * The arrows of ARCHITECTURE.md, top floor first: a floor imports only from floors below it, and rooms that share a
 * floor do not know each other.
 */
const room = (name) => `^lib/${name}/`;
const leaf = (name) => `^lib/${name}\\.ts$`;
const floors = [
  ['^functions/', '^container/'],
  [leaf('gateway')],
  [leaf('configuration')],
  [room('lambda'), room('server'), room('middleware'), room('inference'), room('registrar')],
  [room('relay')],
  [room('endpoints'), room('translation')],
  [room('dialects')],
  [leaf('config')],
  [room('router'), room('discovery'), room('upstream'), room('http'), room('uploads')],
  [room('engines')],
  [room('aws'), room('time'), room('telemetry')],
  [leaf('holder'), leaf('worker'), leaf('errors'), leaf('json')],
];

const forbid = (name, from, to) => ({ name, severity: 'error', from: { path: from }, to: { path: to } });

const downwards = floors.flatMap((rooms, level) => {
  const above = floors.slice(0, level).flat();
  return rooms.map((room) => forbid(`${room} points up`, room, above.join('|') || '^$'));
});
const apart = floors.flatMap((rooms) =>
  rooms.flatMap((room) => {
    const others = rooms.filter((other) => other !== room);
    return others.length ? [forbid(`${room} knows its neighbour`, room, others.join('|'))] : [];
  }),
);

module.exports = {
  forbidden: [
    ...downwards,
    ...apart,
    {
      ...forbid('room without a floor', '^(lib|functions|container)/', '^lib/'),
      to: { path: '^lib/', pathNot: floors.flat() },
    },
    forbid('the gateway knows where it runs', '^(lib|functions|container)/', '^(infra|test)/'),
    {
      ...forbid('the local platform looks into the gateway', '^infra/', '^lib/'),
      to: {
        path: '^(lib|functions|container)/',
        pathNot: [
          '^lib/config\\.ts$',
          '^lib/endpoints/index\\.ts$',
          '^lib/engines/index\\.ts$',
          '^lib/http/request-target\\.ts$',
          '^lib/middleware/correlation-id\\.ts$',
          '^lib/errors\\.ts$',
        ],
      },
    },
    forbid(
      'the demo worker stands alone',
      '^infra/local/demo-worker/',
      '^(lib|functions|container|infra/(?!local/demo-worker/))',
    ),
    forbid('what is shipped needs a test', '^(infra|lib|functions|container)/', '^test/'),
    {
      name: 'cannot be found',
      severity: 'error',
      // Those run where their packages are installed.
      from: { pathNot: '^test/clients/translated/.*\\.js$' },
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^test/fixtures/' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
