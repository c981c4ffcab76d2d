import { isIPv4 } from 'node:net';

/**
 * @typedef {{ securityGroupId: string, cidr?: undefined } | { cidr: string, securityGroupId?: undefined }} Place a group or addresses
 * @typedef {{ port: number } & Place} Target where workers are, and their port
 */

/** The range that an address lies in, as EC2 writes it: without bits of the host. @param {string} address @param {number} bits */
const rangeOf = (address, bits) => {
  const number = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - bits);
  const first = Math.floor(number / size) * size;
  return `${[24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join('.')}/${bits}`;
};

/** @param {string} text @returns {Place | undefined} */
const readPlace = (text) => {
  if (/^sg-[0-9a-f]{8,17}$/.test(text)) return { securityGroupId: text };
  const [address = '', bits = '32', ...rest] = text.split('/');
  if (!isIPv4(address) || !/^\d{1,2}$/.test(bits) || Number(bits) > 32 || rest.length > 0) return undefined;
  return { cidr: rangeOf(address, Number(bits)) };
};

/** @param {string} text @returns {Target | undefined} */
const readTarget = (text) => {
  const [, where = '', digits = ''] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (port < 1 || port > 65_535) return undefined;
  const place = readPlace(where);
  return place && { ...place, port };
};

/** @template T @param {readonly T[]} all @returns {T[]} each once */
const once = (all) => [...new Map(all.map((one) => [JSON.stringify(one), one])).values()];

/**
 * Where the functions may open connections, beside what the stack makes itself.
 * @param {readonly string[]} texts `sg-0123456789abcdef0:8000`, `10.0.7.4:8080` or `10.0.8.0/24:8080`
 * @returns {Target[]} each once
 * @throws {Error} that quotes what is none of these
 */
export const readTargets = (texts) => {
  const targets = texts.map((text) => {
    const target = readTarget(text);
    if (target) return target;
    throw new Error(
      `--param workerTargets: "${text}" is not <security group>:<port> or <IPv4 address or range>:<port>, such as sg-0123456789abcdef0:8000 or 10.0.7.4:8080`,
    );
  });
  return once(targets);
};

/**
 * Who may call a load balancer that has no edge in front of it.
 * @param {readonly string[]} texts `sg-0123456789abcdef0`, `10.0.7.4` or `10.0.0.0/16`
 * @returns {Place[]} each once
 * @throws {Error} that quotes what is none of these
 */
export const readCallers = (texts) => {
  const callers = texts.map((text) => {
    const place = readPlace(text);
    if (place) return place;
    throw new Error(
      `--param containerCallers: "${text}" is not <security group> or <IPv4 address or range>, such as sg-0123456789abcdef0 or 10.0.0.0/16`,
    );
  });
  return once(callers);
};
