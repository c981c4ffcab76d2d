/** @type {import('jest').Config} */
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      { jsc: { parser: { syntax: 'typescript' }, target: 'es2024' }, module: { type: 'es6' }, sourceMaps: 'inline' },
    ],
  },
  reporters: ['default', '<rootDir>/test/support/reporter.js'],
  setupFiles: ['<rootDir>/test/support/quiet.ts'],
  setupFilesAfterEnv: ['<rootDir>/test/support/retry.ts'],
  testTimeout: 30_000,
  maxWorkers: 2,
};
