import { ApiError } from '../http/api-error.ts';

/** Flite's voices, and the OpenAI names that stand for them: a woman's, two men's, and a plainly synthetic one. */
const voices: Readonly<Record<string, readonly string[]>> = {
  slt: ['alloy', 'coral', 'marin', 'nova', 'sage', 'shimmer'],
  rms: ['ash', 'cedar', 'echo', 'onyx', 'verse'],
  awb: ['ballad', 'fable'],
  kal16: [],
};

const DEFAULT_VOICE = 'slt';

/**
 * @returns Flite's voice for a name of its own or of OpenAI's; without a name the default.
 * @throws {ApiError} 400 for an unknown name, with the known ones
 */
export const findVoice = (name: string): string => {
  const wanted = name.toLowerCase() || DEFAULT_VOICE;
  const found = Object.entries(voices).find(([voice, aliases]) => voice === wanted || aliases.includes(wanted));
  if (found) return found[0];
  const known = Object.entries(voices).flatMap(([voice, aliases]) => [voice, ...aliases]);
  throw new ApiError(400, `'voice': there is no '${name}' here; use one of ${known.join(', ')}.`, { param: 'voice' });
};
