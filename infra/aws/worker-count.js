/**
 * The osls plugin that keeps a deployment from changing how many GPU tasks run. A `DesiredCount` in a template is set
 * again by every update of the service; without one, a new service starts with one task, for which CloudFormation
 * waits. So the template has 0 for as long as there is no service, as `serverless package` leaves it, and afterwards
 * what the service's metadata says: none at all, or a number. Who is asked is CloudFormation, because it decides
 * whether the service is created or updated.
 * @see https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecs-service.html#cfn-ecs-service-desiredcount
 *
 * @typedef {{ LogicalResourceId?: string, PhysicalResourceId?: string, ResourceStatus?: string }} StackResource
 * @typedef {{ Metadata?: { TasksOnceItIsThere: unknown }, Properties: { DesiredCount?: number } }} WorkersService
 * @typedef {{
 *   classes: { Error: new (message: string, code: string) => Error },
 *   service: { provider: { compiledCloudFormationTemplate: { Resources: { WorkersService?: WorkersService } } } },
 *   getProvider: (name: 'aws') => { getStackResources: () => Promise<StackResource[]>, naming: { getStackName: () => string } },
 * }} Serverless what is used of osls
 */

/** @param {Serverless} serverless @returns {Promise<boolean>} whether CloudFormation would update the service rather than create it */
const isThere = async (serverless) => {
  const provider = serverless.getProvider('aws');
  try {
    const resources = await provider.getStackResources();
    return resources.some(
      ({ LogicalResourceId, PhysicalResourceId, ResourceStatus }) =>
        LogicalResourceId === 'WorkersService' && PhysicalResourceId && ResourceStatus !== 'DELETE_COMPLETE',
    );
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    if (message.includes('does not exist')) return false;
    // A guess would start a GPU nobody asked for, or end the streams of one that is at work.
    throw new serverless.classes.Error(
      `CloudFormation did not tell whether ${provider.naming.getStackName()} has its workers already (cloudformation:ListStackResources): ${message}`,
      'WORKER_COUNT',
    );
  }
};

/** What the plugin is given to say things with. @typedef {{ log: { notice: (text: string) => void } }} Writers */

export default class WorkerCountPlugin {
  /** @param {Serverless} serverless @param {unknown} _options @param {Writers} writers */
  constructor(serverless, _options, { log }) {
    this.hooks = {
      // The stack is there by now, and the template has not been looked at or uploaded.
      'before:aws:deploy:deploy:checkForChanges': async () => {
        const { WorkersService: service } = serverless.service.provider.compiledCloudFormationTemplate.Resources;
        if (!service) return;
        const tasks = service.Metadata?.TasksOnceItIsThere;
        if (!(await isThere(serverless))) {
          const how = typeof tasks === 'number' ? 'the next deployment' : 'a request for one of its models';
          log.notice(`The workers\` service is made with no task; ${how} starts one.`);
          return;
        }
        if (typeof tasks === 'number') service.Properties.DesiredCount = tasks;
        else delete service.Properties.DesiredCount;
      },
    };
  }
}
