/** Lambda's limit for a function's name, and CloudFront's for one of its own. */
const LONGEST = 64;

/**
 * Names of the stack's resources are made of the service's and the stage's; what is too long would be found by AWS in
 * the middle of a deployment.
 * @param {string} name `<service>-<stage>`
 * @param {readonly string[]} suffixes of the names that have the shortest limit
 * @returns {string | undefined} what is wrong with it
 */
export const nameProblem = (name, suffixes) => {
  // CloudFormation's rule for a stack, the narrowest of all.
  if (!/^[A-Za-z][A-Za-z0-9-]*$/.test(name)) {
    return `the stage gives the name "${name}", but AWS takes letters, digits and hyphens only`;
  }
  const room = LONGEST - 1 - Math.max(...suffixes.map(({ length }) => length));
  return name.length > room
    ? `the stage gives the name "${name}", which is ${name.length - room} characters too long`
    : undefined;
};
