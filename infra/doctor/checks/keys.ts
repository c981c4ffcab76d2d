import { bad, type Finding, good, unknown } from '../finding.ts';
import { ask, type Gateway } from '../gateway.ts';

/** Whether a key opens, and nothing else does. */
export const keys = async (gateway: Gateway): Promise<Finding[]> => {
  const path = '/v1/models';
  const without = await ask(gateway, path, { key: null });
  if (without.status === 200) {
    return [unknown('keys', 'none is needed: anybody who reaches this address may use the workers')];
  }
  const wrong = await ask(gateway, path, { key: 'doctor-wrong-key' });
  // Function URLs rename it.
  const challenge = wrong.headers.get('www-authenticate') ?? wrong.headers.get('x-amzn-remapped-www-authenticate');
  const findings = [
    without.status === 401 ? good('no key', '401') : bad('no key', `${without.status} instead of 401`),
    wrong.status !== 401
      ? bad('a wrong key', `${wrong.status} instead of 401`)
      : challenge
        ? good('a wrong key', `401, ${challenge}`)
        : bad('a wrong key', '401 without WWW-Authenticate'),
  ];
  if (!gateway.key) return [...findings, unknown('your key', 'give it with --key')];
  for (const [way, headers] of Object.entries({
    'Authorization: Bearer': undefined,
    'x-api-key': { 'x-api-key': gateway.key },
  })) {
    const { status } = await ask(gateway, path, headers ? { key: null, headers } : {});
    findings.push(status === 200 ? good(`your key, ${way}`, '200') : bad(`your key, ${way}`, String(status)));
  }
  return findings;
};
