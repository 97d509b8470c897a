/** One page: what comes in, what waits, what goes out, what is wrong. */
import { grants } from './roles.ts';
import { type Resources, sub } from './template.ts';

type Metric = readonly unknown[];

function widget(title: string, x: number, y: number, metrics: readonly Metric[], stat: string) {
  return {
    type: 'metric',
    x,
    y,
    width: 12,
    height: 6,
    properties: { title, metrics, stat, period: 60, region: '${AWS::Region}', view: 'timeSeries' },
  };
}

const queues = ['EnrolmentQueue', 'SigningAcmPcaQueue', 'SigningPkcs11Queue'];
const deadQueues = ['EnrolmentDeadQueue', 'SigningAcmPcaDeadQueue', 'SigningPkcs11DeadQueue'];
const ofQueues = (metric: string, ids: readonly string[]): Metric[] =>
  ids.map((id) => ['AWS/SQS', metric, 'QueueName', `\${${id}.QueueName}`]);
const ofFunctions = (metric: string): Metric[] =>
  Object.keys(grants).map((name) => ['AWS/Lambda', metric, 'FunctionName', `\${AWS::StackName}-${name}`]);

const widgets = [
  widget(
    'Requests',
    0,
    0,
    ['Count', '4xx', '5xx'].map((name) => ['AWS/ApiGateway', name, 'ApiId', '${HttpApi}']),
    'Sum',
  ),
  widget('Latency of the front', 12, 0, [['AWS/ApiGateway', 'Latency', 'ApiId', '${HttpApi}']], 'p99'),
  widget('Messages waiting', 0, 6, ofQueues('ApproximateNumberOfMessagesVisible', queues), 'Maximum'),
  widget('Age of the oldest message', 12, 6, ofQueues('ApproximateAgeOfOldestMessage', queues), 'Maximum'),
  widget('Issued and settled', 0, 12, ofQueues('NumberOfMessagesDeleted', queues), 'Sum'),
  widget('Dead letters', 12, 12, ofQueues('ApproximateNumberOfMessagesVisible', deadQueues), 'Maximum'),
  widget('Errors of functions', 0, 18, ofFunctions('Errors'), 'Sum'),
  widget('Duration of functions', 12, 18, ofFunctions('Duration'), 'p99'),
  {
    type: 'metric',
    x: 0,
    y: 24,
    width: 24,
    height: 6,
    properties: {
      title: 'Alarms logged',
      metrics: [
        [{ expression: "SEARCH('{Sealwright,alarm} MetricName=\"${AWS::StackName}\"', 'Sum', 60)", id: 'alarms' }],
      ],
      region: '${AWS::Region}',
      view: 'timeSeries',
    },
  },
];

export const dashboard: Resources = {
  Dashboard: {
    Type: 'AWS::CloudWatch::Dashboard',
    Properties: { DashboardName: sub('${AWS::StackName}'), DashboardBody: sub(JSON.stringify({ widgets })) },
  },
};
