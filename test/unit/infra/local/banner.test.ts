import { expect, test } from '@jest/globals';
import { type BannerOptions, banner } from '../../../../infra/local/banner.ts';

test('the banner shows only what can be served', () => {
  const shown = (serves: BannerOptions['serves']) =>
    banner({
      platform: { origin: 'http://gateway', runtime: 'ric', urlOf: () => 'http://fn' } as never,
      functions: ['openai'],
      demoWorkers: [],
      chatModel: 'm',
      embeddingsModel: undefined,
      serves,
      needsKey: false,
      exposesNode: false,
      isRicComing: false,
    });
  expect(shown(() => true)).toMatch(/\/v1\/chat\/completions.*\/v1\/messages.*\/api\/chat/s);
  const few = shown(() => false);
  expect(few).toContain('/v1/chat/completions');
  expect(few).not.toMatch(/\/v1\/messages|\/api\/chat/);
});
