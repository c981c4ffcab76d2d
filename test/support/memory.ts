import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** Where Linux tells a process's memory; elsewhere there is nothing to read. */
export const canMeasureMemory = existsSync('/proc/self/clear_refs');

/** @param field `VmRSS`: resident now; `VmHWM`: its highest since `forgetPeak`. @returns MB */
export const memoryOf = (pid: number, field: 'VmRSS' | 'VmHWM'): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

/** Makes the peak start again from what is resident now. */
export const forgetPeak = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');
