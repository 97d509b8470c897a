/** The table of the ledger, its key, and the bucket of audit reports. What is lost with them cannot be made again: all stay. */
import { tableDefinition } from '../shared/adapters/dynamodb/table.ts';
import { att, type Resources, ref, sub } from './template.ts';

const retained = { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' } as const;
const { AttributeDefinitions, BillingMode, GlobalSecondaryIndexes, KeySchema } = tableDefinition;

const dataKey: Resources = {
  DataKey: {
    Type: 'AWS::KMS::Key',
    ...retained,
    Properties: {
      Description: sub('Ledger of ${AWS::StackName}'),
      EnableKeyRotation: true,
      KeyPolicy: {
        Version: '2012-10-17',
        Statement: [
          {
            Sid: 'Account',
            Effect: 'Allow',
            Principal: { AWS: sub('arn:${AWS::Partition}:iam::${AWS::AccountId}:root') },
            Action: 'kms:*',
            Resource: '*',
          },
          {
            // Whoever may use the table uses the key through it, and in no other way (DynamoDB, "Encryption at rest: usage notes").
            Sid: 'ThroughDynamoDb',
            Effect: 'Allow',
            Principal: { AWS: '*' },
            Action: [
              'kms:Encrypt',
              'kms:Decrypt',
              'kms:ReEncrypt*',
              'kms:GenerateDataKey*',
              'kms:DescribeKey',
              'kms:CreateGrant',
            ],
            Resource: '*',
            Condition: {
              StringEquals: {
                'kms:CallerAccount': ref('AWS::AccountId'),
                'kms:ViaService': sub('dynamodb.${AWS::Region}.amazonaws.com'),
              },
            },
          },
        ],
      },
    },
  },
};

const issuanceTable: Resources = {
  IssuanceTable: {
    Type: 'AWS::DynamoDB::Table',
    ...retained,
    Properties: {
      AttributeDefinitions,
      BillingMode,
      GlobalSecondaryIndexes,
      KeySchema,
      DeletionProtectionEnabled: true,
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      SSESpecification: { SSEEnabled: true, SSEType: 'KMS', KMSMasterKeyId: att('DataKey', 'Arn') },
      TableName: ref('AWS::StackName'),
    },
  },
};

/** Nobody from outside, nothing unencrypted on the way. */
export const privateBucket = {
  PublicAccessBlockConfiguration: {
    BlockPublicAcls: true,
    BlockPublicPolicy: true,
    IgnorePublicAcls: true,
    RestrictPublicBuckets: true,
  },
  OwnershipControls: { Rules: [{ ObjectOwnership: 'BucketOwnerEnforced' }] },
  BucketEncryption: {
    ServerSideEncryptionConfiguration: [{ ServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }],
  },
} as const;

const auditBucket: Resources = {
  AuditBucket: {
    Type: 'AWS::S3::Bucket',
    ...retained,
    Properties: {
      ...privateBucket,
      VersioningConfiguration: { Status: 'Enabled' },
    },
  },
  // ACM PCA, "Audit reports": what its service principal needs to write one.
  AuditBucketPolicy: {
    Type: 'AWS::S3::BucketPolicy',
    Properties: {
      Bucket: ref('AuditBucket'),
      PolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: { Service: 'acm-pca.amazonaws.com' },
            Action: ['s3:PutObject', 's3:PutObjectAcl', 's3:GetBucketAcl', 's3:GetBucketLocation'],
            Resource: [att('AuditBucket', 'Arn'), sub('${AuditBucket.Arn}/*')],
            Condition: { StringEquals: { 'aws:SourceAccount': ref('AWS::AccountId') } },
          },
        ],
      },
    },
  },
};

export const storage: Resources = { ...dataKey, ...issuanceTable, ...auditBucket };
