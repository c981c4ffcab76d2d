import { createServer, type IncomingMessage } from 'node:http';
import { listenOnLoopback } from '../loopback.ts';
import type { Template } from '../osls.ts';

/** What a stack that was deployed before has, and what EC2 knows. */
export interface Account {
  /** `undefined`: there is no stack yet. */
  readonly stack?: readonly { readonly id: string; readonly status: string }[];
  /** Zones of subnets, by id. */
  readonly zones?: Readonly<Record<string, string>>;
  /** Calls that are denied: `DescribeSubnets`. */
  readonly denied?: readonly string[];
}

export interface Deployment extends AsyncDisposable {
  /** For osls: this server, and credentials for it. */
  readonly env: Readonly<Record<string, string>>;
  /** The names of the calls, in order. */
  readonly calls: readonly string[];
  /** The template CloudFormation was to be given. */
  readonly uploaded: () => Template | undefined;
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

/** A body sent in signed chunks, as the S3 client does: `<hex size>;...\r\n<bytes>\r\n`, or plain. */
const unchunked = (body: string): string => (body.startsWith('{') ? body : (/\{.*\}/s.exec(body)?.[0] ?? ''));

/**
 * As much of STS, CloudFormation, S3 and EC2 as `serverless deploy` needs to come to the point where the template is
 * uploaded; then CloudFormation refuses it, and nothing more is done.
 */
export const startDeployment = async ({ stack, zones = {}, denied = [] }: Account = {}): Promise<Deployment> => {
  const calls: string[] = [];
  let created = stack;
  let uploaded: string | undefined;
  const failure = (code: string, message: string) => ({
    status: 400,
    xml: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`,
  });
  const result = (action: string, inner: string) => ({
    status: 200,
    xml: `<${action}Response><${action}Result>${inner}</${action}Result></${action}Response>`,
  });
  const missing = (name: string) => failure('ValidationError', `Stack with id ${name} does not exist`);
  const member = (resource: { id: string; status: string }) =>
    `<member><LogicalResourceId>${resource.id}</LogicalResourceId><PhysicalResourceId>physical-${resource.id}</PhysicalResourceId><ResourceType>T</ResourceType><ResourceStatus>${resource.status}</ResourceStatus><LastUpdatedTimestamp>2026-01-01T00:00:00Z</LastUpdatedTimestamp></member>`;

  const query = (form: URLSearchParams) => {
    const action = form.get('Action') ?? '';
    const name = form.get('StackName') ?? '';
    calls.push(action);
    if (denied.includes(action)) return failure('AccessDenied', `not authorized to perform ${action}`);
    switch (action) {
      case 'GetCallerIdentity':
        return result(
          action,
          '<Account>123456789012</Account><Arn>arn:aws:iam::123456789012:user/u</Arn><UserId>U</UserId>',
        );
      case 'DescribeStacks': {
        if (!created) return missing(name);
        return result(
          action,
          `<Stacks><member><StackName>${name}</StackName><StackId>arn:stack/${name}</StackId><StackStatus>UPDATE_COMPLETE</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime></member></Stacks>`,
        );
      }
      case 'CreateChangeSet':
        return result(action, `<Id>arn:change/1</Id><StackId>arn:stack/${name}</StackId>`);
      case 'DescribeChangeSet':
        return result(
          action,
          `<ChangeSetName>c</ChangeSetName><StackName>${name}</StackName><StackId>arn:stack/${name}</StackId><Status>CREATE_COMPLETE</Status><ExecutionStatus>AVAILABLE</ExecutionStatus>`,
        );
      case 'ExecuteChangeSet':
        created = [{ id: 'ServerlessDeploymentBucket', status: 'CREATE_COMPLETE' }];
        return result(action, '');
      case 'DescribeStackEvents':
        return result(
          action,
          `<StackEvents><member><StackId>arn:stack/${name}</StackId><EventId>e</EventId><StackName>${name}</StackName><LogicalResourceId>${name}</LogicalResourceId><PhysicalResourceId>arn:stack/${name}</PhysicalResourceId><ResourceType>AWS::CloudFormation::Stack</ResourceType><Timestamp>2099-01-01T00:00:00Z</Timestamp><ResourceStatus>CREATE_COMPLETE</ResourceStatus></member></StackEvents>`,
        );
      case 'DescribeStackResource': {
        const id = form.get('LogicalResourceId') ?? '';
        const found = created?.find((resource) => resource.id === id);
        if (!found) return failure('ValidationError', `Resource ${id} does not exist for stack ${name}`);
        return result(
          action,
          `<StackResourceDetail>${member(found).replace(/<\/?member>/g, '')}</StackResourceDetail>`,
        );
      }
      case 'ListStackResources':
        return created
          ? result(action, `<StackResourceSummaries>${created.map(member).join('')}</StackResourceSummaries>`)
          : missing(name);
      case 'DescribeSubnets': {
        const ids = [...form].filter(([key]) => key.startsWith('SubnetId.')).map(([, id]) => id);
        const stranger = ids.find((id) => !(id in zones));
        if (stranger) return failure('InvalidSubnetID.NotFound', `The subnet ID '${stranger}' does not exist`);
        const items = ids.map(
          (id) =>
            `<item><subnetId>${id}</subnetId><vpcId>vpc-0123456789abcdef0</vpcId><availabilityZone>${zones[id]}</availabilityZone><availabilityZoneId>use1-az1</availabilityZoneId><tagSet><item><key>Name</key><value>&lt;zone&gt;</value></item></tagSet></item>`,
        );
        return {
          status: 200,
          xml: `<DescribeSubnetsResponse><subnetSet>${items.join('')}</subnetSet></DescribeSubnetsResponse>`,
        };
      }
      default:
        return failure('ValidationError', `${action} ends the test`);
    }
  };

  const server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    const isQuery = request.headers['content-type']?.includes('x-www-form-urlencoded');
    if (isQuery) {
      const { status, xml } = query(new URLSearchParams(body));
      response.writeHead(status, { 'content-type': 'text/xml' }).end(xml);
      return;
    }
    const path = request.url ?? '';
    calls.push(`${request.method} ${path.replace(/\?.*/, '').replace(/^\/physical-\w+/, '')}`);
    if (request.method === 'PUT' && path.includes('compiled-cloudformation-template')) uploaded = unchunked(body);
    if (request.method !== 'GET') response.writeHead(200, { etag: '"e"' }).end();
    else response.writeHead(200, { 'content-type': 'application/xml' }).end('<ListBucketResult/>');
  });
  const { url, close } = await listenOnLoopback(server);
  return {
    env: {
      AWS_ENDPOINT_URL: url,
      AWS_ACCESS_KEY_ID: 'AKIAIOSFODNN7EXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_REGION: 'us-east-1',
      AWS_MAX_ATTEMPTS: '1',
    },
    calls,
    uploaded: () => (uploaded ? (JSON.parse(uploaded) as Template) : undefined),
    [Symbol.asyncDispose]: close,
  };
};
