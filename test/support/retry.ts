import { expect, jest } from '@jest/globals';

/**
 * Tests that drive processes keep time limits, on machines that others share: one that fails is run again, once, and
 * says why it failed the first time. Unit tests get no second try.
 */
if (!expect.getState().testPath?.includes('/test/unit/')) jest.retryTimes(1, { logErrorsBeforeRetry: true });
