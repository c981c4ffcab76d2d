/**
 * The osls plugin that keeps a deployment from changing how many tasks run: what scales them has the last word. A
 * `DesiredCount` in a template is set again by every update of the service; without one, a new service starts with one
 * task, for which CloudFormation waits. So the template has a number for as long as there is no service, as `serverless
 * package` leaves it (no GPU worker, the container's least), and afterwards what the service's metadata says: none at
 * all, or a number. Who is asked is CloudFormation, because it decides whether the service is created or updated.
 * @see https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecs-service.html#cfn-ecs-service-desiredcount
 *
 * @typedef {{ LogicalResourceId?: string, PhysicalResourceId?: string, ResourceStatus?: string }} StackResource
 * @typedef {{ Metadata?: { TasksOnceItIsThere: unknown }, Properties: { DesiredCount?: number } }} Service
 * @typedef {{
 *   classes: { Error: new (message: string, code: string) => Error },
 *   service: { provider: { compiledCloudFormationTemplate: { Resources: { WorkersService?: Service, ContainerService?: Service } } } },
 *   getProvider: (name: 'aws') => { getStackResources: () => Promise<StackResource[]>, naming: { getStackName: () => string } },
 * }} Serverless what is used of osls
 */

/** @param {Serverless} serverless @returns {Promise<Set<string | undefined>>} what CloudFormation would update rather than create */
const thereAlready = async (serverless) => {
  const provider = serverless.getProvider('aws');
  try {
    const resources = await provider.getStackResources();
    const there = resources.filter(
      ({ PhysicalResourceId, ResourceStatus }) => PhysicalResourceId && ResourceStatus !== 'DELETE_COMPLETE',
    );
    return new Set(there.map(({ LogicalResourceId }) => LogicalResourceId));
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    if (message.includes('does not exist')) return new Set();
    // A guess would start a GPU nobody asked for, or end the streams of one that is at work.
    throw new serverless.classes.Error(
      `CloudFormation did not tell whether ${provider.naming.getStackName()} has its services already (cloudformation:ListStackResources): ${message}`,
      'TASK_COUNT',
    );
  }
};

/** What the plugin is given to say things with. @typedef {{ log: { notice: (text: string) => void } }} Writers */

export default class TaskCountPlugin {
  /** @param {Serverless} serverless @param {unknown} _options @param {Writers} writers */
  constructor(serverless, _options, { log }) {
    this.hooks = {
      // The stack is there by now, and the template has not been looked at or uploaded.
      'before:aws:deploy:deploy:checkForChanges': async () => {
        const { WorkersService, ContainerService } =
          serverless.service.provider.compiledCloudFormationTemplate.Resources;
        if (!WorkersService && !ContainerService) return;
        const there = await thereAlready(serverless);
        for (const [id, service] of Object.entries({ WorkersService, ContainerService })) {
          if (!service || !there.has(id)) continue;
          const tasks = service.Metadata?.TasksOnceItIsThere;
          if (typeof tasks === 'number') service.Properties.DesiredCount = tasks;
          else delete service.Properties.DesiredCount;
        }
        if (!WorkersService || there.has('WorkersService')) return;
        const isFixed = typeof WorkersService.Metadata?.TasksOnceItIsThere === 'number';
        const how = isFixed ? 'the next deployment' : 'a request for one of its models';
        log.notice(`The workers\` service is made with no task; ${how} starts one.`);
      },
    };
  }
}
