/**
 * What serverless.yml deploys beside its functions and queues: parameters, conditions, the table, the roles, the hosts, the
 * network of the HSM's signer, alarms, the dashboard. Roles follow hierarchy.yaml; alarms follow shared/issuance/alarms.ts.
 */
import type { Hierarchy } from '../shared/hierarchy/hierarchy.ts';
import { alarmResources } from './alarms.ts';
import { dashboard } from './dashboard.ts';
import { hosts } from './hosts.ts';
import { network } from './network.ts';
import { roles } from './roles.ts';
import { storage } from './storage.ts';
import { att, type Resources, ref, when } from './template.ts';

const text = (Description: string) => ({ Type: 'String', Default: '', Description });

const parameters = {
  DomainName: text('Domain of enroll., renew. and crl., as fleet.example. Empty: API Gateway’s own name, in dev only.'),
  HostedZoneId: text('Hosted zone of the domain in Route 53.'),
  CertificateArn: text('ACM certificate of this Region for enroll., renew. and crl.'),
  CrlCertificateArn: text('ACM certificate of us-east-1 for crl., where this is another Region.'),
  TruststoreVersion: text('Version of truststore.pem in the trust store bucket. Empty: no renew. host yet.'),
  HsmImageUri: text('Image of the signer for CloudHSM, by digest. Empty: no HSM.'),
  HsmPinSecretArn: text('Secret with the PIN, user:password, of the issuance tier.'),
  HsmClusterId: text('Cluster of CloudHSM.'),
  HsmSecurityGroupId: text('Security group of the cluster.'),
  VpcId: text('VPC of the cluster.'),
  SubnetIds: text('Subnets of the signer for CloudHSM, with commas.'),
  RouteTableIds: text('Route tables of these subnets, with commas.'),
  AcmPcaEndpoint: text('Of an emulator of ACM PCA, in dev only.'),
  QuotaNearPerMinute: {
    Type: 'Number',
    Default: 1080,
    Description: 'Four fifths of what may be issued a minute: 60 × IssueCertificate a second × 0.9 × 0.8.',
  },
};

const given = (name: string) => ({ 'Fn::Not': [{ 'Fn::Equals': [ref(name), ''] }] });
const conditions = {
  HasDomain: given('DomainName'),
  HasRenewHost: { 'Fn::And': [{ Condition: 'HasDomain' }, given('TruststoreVersion')] },
  HasCrlCertificate: given('CrlCertificateArn'),
  HasHsm: given('HsmImageUri'),
  HasAcmPcaEndpoint: given('AcmPcaEndpoint'),
};

/** What osls makes of the functions at the HSM exists with the HSM only; their own property says so of the functions alone. */
const conditional: Resources = {
  SignerHsmLogGroup: { Type: 'AWS::Logs::LogGroup', Condition: 'HasHsm', Properties: {} },
  SignerHsmEventSourceMappingSQSSigningPkcs11Queue: {
    Type: 'AWS::Lambda::EventSourceMapping',
    Condition: 'HasHsm',
    Properties: {},
  },
  CrlPublisherLogGroup: { Type: 'AWS::Logs::LogGroup', Condition: 'HasHsm', Properties: {} },
  CrlPublisherEventsRuleSchedule1: { Type: 'AWS::Events::Rule', Condition: 'HasHsm', Properties: {} },
  CrlPublisherLambdaPermissionEventsRuleSchedule1: {
    Type: 'AWS::Lambda::Permission',
    Condition: 'HasHsm',
    Properties: {},
  },
};

const outputs = {
  TableName: { Value: ref('IssuanceTable') },
  AuditBucketName: { Value: ref('AuditBucket') },
  TruststoreBucketName: { Value: ref('TruststoreBucket') },
  CrlBucketName: { Value: ref('CrlBucket') },
  AlarmTopicArn: { Value: ref('AlarmTopic') },
  DataKeyArn: { Value: att('DataKey', 'Arn') },
  EnrollHost: {
    Value: when('HasDomain', { 'Fn::Sub': 'enroll.${DomainName}' }, { 'Fn::GetAtt': ['HttpApi', 'ApiEndpoint'] }),
  },
};

/**
 * API Gateway's own name is open while there is no domain, which is for trying out: in production CloudFormation refuses to begin.
 * Nobody's Rules pass through osls; a constraint on the parameter does.
 */
const domainDemanded = {
  Type: 'String',
  Description: parameters.DomainName.Description,
  AllowedPattern: '[a-z0-9-]{1,63}(\\.[a-z0-9-]{1,63})+',
  ConstraintDescription: 'prod needs a domain: --param=domainName=fleet.example (docs/deploy.md)',
};

/** `stage`: of the deployment. Either it or the hierarchy's own makes it production. */
export function deployedResources(hierarchy: Hierarchy, stage: string) {
  const isProd = stage === 'prod' || hierarchy.stage === 'prod';
  const made: Resources = { ...storage, ...roles(hierarchy), ...hosts, ...network, ...alarmResources, ...dashboard };
  return {
    Parameters: isProd ? { ...parameters, DomainName: domainDemanded } : parameters,
    Conditions: conditions,
    Resources: { ...made, ...conditional },
    Outputs: outputs,
  };
}
