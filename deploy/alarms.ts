/**
 * Alarms on what the functions log (shared/issuance/alarms.ts, a closed list: docs/runbook.md has an entry for each) and on what
 * only AWS sees: queues, functions that do not start, the front. All of them go to one topic; `page` and `ticket` are in the name.
 */
import { alarms as loggedAlarms } from '../shared/issuance/alarms.ts';
import { grants } from './roles.ts';
import { att, type Resources, ref, sub } from './template.ts';

const namespace = 'Sealwright';
const topic = [ref('AlarmTopic')];

/** `CustodyStopped` for `custody-stopped`. */
function pascal(name: string): string {
  return name
    .split('-')
    .map((word) => `${word[0]!.toUpperCase()}${word.slice(1)}`)
    .join('');
}

const logGroupIdOf = (name: string) => `${name[0]!.toUpperCase()}${name.slice(1)}LogGroup`;

/** One filter a function: the alarm's name is a dimension, so that a new alarm needs no new filter. */
function metricFilters(): Resources {
  return Object.fromEntries(
    Object.entries(grants).map(([name, { hsm }]) => [
      `${name[0]!.toUpperCase()}${name.slice(1)}AlarmFilter`,
      {
        Type: 'AWS::Logs::MetricFilter',
        ...(hsm ? { Condition: 'HasHsm' } : {}),
        DependsOn: [logGroupIdOf(name)],
        Properties: {
          LogGroupName: ref(logGroupIdOf(name)),
          FilterPattern: '{ $.alarm = "*" }',
          MetricTransformations: [
            {
              MetricNamespace: namespace,
              MetricName: ref('AWS::StackName'),
              MetricValue: '1',
              Unit: 'Count',
              Dimensions: [{ Key: 'alarm', Value: '$.alarm' }],
            },
          ],
        },
      },
    ]),
  );
}

/** Schedules of a minute whose silence nothing else shows: reads stay right without the upkeep, and only get dearer. */
const scheduled = ['upkeep'] as const;

function silenceAlarms(): Resources {
  return Object.fromEntries(
    scheduled.map((name) => [
      `${name[0]!.toUpperCase()}${name.slice(1)}SilentAlarm`,
      alarm('ticket', `function-silent ${name}`, 'The function of a schedule has not been called for ten minutes.', {
        Namespace: 'AWS/Lambda',
        MetricName: 'Invocations',
        Dimensions: [{ Name: 'FunctionName', Value: sub(`\${AWS::StackName}-${name}`) }],
        Statistic: 'Sum',
        Period: 60,
        EvaluationPeriods: 10,
        Threshold: 1,
        ComparisonOperator: 'LessThanThreshold',
        TreatMissingData: 'breaching',
      }),
    ]),
  );
}

interface AlarmSettings {
  readonly Namespace: string;
  readonly MetricName: unknown;
  readonly Dimensions: readonly { readonly Name: string; readonly Value: unknown }[];
  readonly Statistic: 'Sum' | 'Maximum' | 'Average';
  readonly Period: number;
  readonly EvaluationPeriods: number;
  readonly Threshold: unknown;
  /** Greater or equal, unless said otherwise. */
  readonly ComparisonOperator?: 'LessThanThreshold';
  readonly TreatMissingData?: 'breaching';
}

function alarm(
  severity: 'page' | 'ticket',
  name: string,
  description: string,
  settings: AlarmSettings,
): Resources[string] {
  return {
    Type: 'AWS::CloudWatch::Alarm',
    Properties: {
      AlarmName: sub(`\${AWS::StackName} ${severity} ${name}`),
      AlarmDescription: `${description} docs/runbook.md#${name}`,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      TreatMissingData: 'notBreaching',
      AlarmActions: topic,
      ...(severity === 'page' ? { OKActions: topic } : {}),
      ...settings,
    },
  };
}

function logged(): Resources {
  return Object.fromEntries(
    Object.entries(loggedAlarms)
      // The embedded stack's alone: DynamoDB has no write-ahead log.
      .filter(([name]) => name !== 'wal-large')
      .map(([name, { meaning, severity }]) => [
        `${pascal(name)}Alarm`,
        alarm(severity, name, meaning, {
          Namespace: namespace,
          MetricName: ref('AWS::StackName'),
          Dimensions: [{ Name: 'alarm', Value: name }],
          Statistic: 'Sum',
          Period: 60,
          EvaluationPeriods: 1,
          Threshold: 1,
        }),
      ]),
  );
}

const queues = { Enrolment: 'enrolment', SigningAcmPca: 'signing-acm-pca', SigningPkcs11: 'signing-pkcs11' } as const;
const ofQueue = (id: string) => [{ Name: 'QueueName', Value: att(id, 'QueueName') }];

function queueAlarms(): Resources {
  return Object.fromEntries(
    Object.entries(queues).flatMap(([id, name]) => [
      [
        `${id}AgeAlarm`,
        alarm('ticket', `queue-age ${name}`, 'The oldest message of the queue has waited for five minutes.', {
          Namespace: 'AWS/SQS',
          MetricName: 'ApproximateAgeOfOldestMessage',
          Dimensions: ofQueue(`${id}Queue`),
          Statistic: 'Maximum',
          Period: 60,
          EvaluationPeriods: 2,
          Threshold: 300,
        }),
      ],
      [
        `${id}DeadAlarm`,
        alarm('ticket', `dead-letters ${name}`, 'Messages were given up after ten deliveries.', {
          Namespace: 'AWS/SQS',
          MetricName: 'ApproximateNumberOfMessagesVisible',
          Dimensions: ofQueue(`${id}DeadQueue`),
          Statistic: 'Maximum',
          Period: 60,
          EvaluationPeriods: 1,
          Threshold: 1,
        }),
      ],
    ]),
  );
}

const awsAlarms: Resources = {
  // A minute of signing at four fifths of the quota: 25 a second, unless the parameter says that the account has more.
  QuotaNearAlarm: alarm('ticket', 'quota-near', 'ACM PCA signs at four fifths of the quota of IssueCertificate.', {
    Namespace: 'AWS/SQS',
    MetricName: 'NumberOfMessagesDeleted',
    Dimensions: ofQueue('SigningAcmPcaQueue'),
    Statistic: 'Sum',
    Period: 60,
    EvaluationPeriods: 5,
    Threshold: ref('QuotaNearPerMinute'),
  }),
  ApiFailingAlarm: alarm('page', 'api-failing', 'The front answers 5xx: a function does not start, or fails.', {
    Namespace: 'AWS/ApiGateway',
    MetricName: '5xx',
    Dimensions: [{ Name: 'ApiId', Value: ref('HttpApi') }],
    Statistic: 'Sum',
    Period: 60,
    EvaluationPeriods: 3,
    Threshold: 5,
  }),
  TableThrottledAlarm: alarm('ticket', 'table-throttled', 'DynamoDB throttles the table: a partition is hot.', {
    Namespace: 'AWS/DynamoDB',
    MetricName: 'ThrottledRequests',
    Dimensions: [
      { Name: 'TableName', Value: ref('IssuanceTable') },
      { Name: 'Operation', Value: 'TransactWriteItems' },
    ],
    Statistic: 'Sum',
    Period: 60,
    EvaluationPeriods: 3,
    Threshold: 10,
  }),
};

/** What throws as a whole: an environment that is refused, a function that is out of memory or time. */
function functionAlarms(): Resources {
  return Object.fromEntries(
    Object.entries(grants)
      .filter(([, { hsm }]) => !hsm)
      .map(([name]) => [
        `${name[0]!.toUpperCase()}${name.slice(1)}ErrorsAlarm`,
        alarm('ticket', `function-fails ${name}`, 'The function threw as a whole, or did not start.', {
          Namespace: 'AWS/Lambda',
          MetricName: 'Errors',
          Dimensions: [{ Name: 'FunctionName', Value: sub(`\${AWS::StackName}-${name}`) }],
          Statistic: 'Sum',
          Period: 60,
          EvaluationPeriods: 3,
          Threshold: 1,
        }),
      ]),
  );
}

export const alarmTopic: Resources = {
  AlarmTopic: { Type: 'AWS::SNS::Topic', Properties: { KmsMasterKeyId: ref('AlarmKey') } },
  // CloudWatch cannot publish to a topic under the account's own SNS key, whose policy does not name it.
  AlarmKey: {
    Type: 'AWS::KMS::Key',
    Properties: {
      Description: sub('Alarms of ${AWS::StackName}'),
      EnableKeyRotation: true,
      KeyPolicy: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: { AWS: sub('arn:${AWS::Partition}:iam::${AWS::AccountId}:root') },
            Action: 'kms:*',
            Resource: '*',
          },
          {
            Effect: 'Allow',
            Principal: { Service: 'cloudwatch.amazonaws.com' },
            Action: ['kms:Decrypt', 'kms:GenerateDataKey*'],
            Resource: '*',
          },
        ],
      },
    },
  },
};

export const alarmResources: Resources = {
  ...alarmTopic,
  ...metricFilters(),
  ...logged(),
  ...queueAlarms(),
  ...awsAlarms,
  ...functionAlarms(),
  ...silenceAlarms(),
};
