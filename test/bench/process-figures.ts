import { readdirSync, readFileSync } from 'node:fs';

/** What the kernel counts for a process (proc(5)); Linux only. */

/** @returns user and system CPU time of all threads, milliseconds, from the scheduler's nanoseconds. */
const cpuOf = (pid: number): number =>
  readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => {
    const [ran = '0'] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
    return sum + Number(ran) / 1e6;
  }, 0);

export const cpuMs = (pids: readonly number[]): number => pids.reduce((sum, pid) => sum + cpuOf(pid), 0);

const statusField = (pid: number, field: string): number => {
  const line = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line?.[1] ?? Number.NaN) / 1024;
};

/** @returns the highest resident memory since the process began, MB. */
export const peakRssMb = (pid: number): number => statusField(pid, 'VmHWM');
