/**
 * The names that devices call. `enroll.` takes credentials; `renew.` takes client certificates (mutual TLS) and is reserved:
 * its API has no route yet. Neither answers under API Gateway's own name, which would pass by the client certificate.
 *
 * CRLs have a name of their own and plain HTTP: whoever fetches one may not be able to verify a chain before it has it (RFC
 * 5280, 8: CAs should not put https URIs in CRL distribution points). CloudFront stands before a private bucket. An S3 website would do with plain HTTP
 * too, but its bucket has to be public and named as the host.
 */
import { privateBucket } from './storage.ts';
import { att, noValue, type Resources, ref, sub, when } from './template.ts';

const host = (name: string) => sub(`${name}.\${DomainName}`);

function domainOf(name: string, mutualTls: boolean): Resources[string] {
  return {
    Type: 'AWS::ApiGatewayV2::DomainName',
    Condition: mutualTls ? 'HasRenewHost' : 'HasDomain',
    Properties: {
      DomainName: host(name),
      DomainNameConfigurations: [
        { CertificateArn: ref('CertificateArn'), EndpointType: 'REGIONAL', SecurityPolicy: 'TLS_1_2' },
      ],
      ...(mutualTls
        ? {
            MutualTlsAuthentication: {
              TruststoreUri: sub('s3://${TruststoreBucket}/truststore.pem'),
              TruststoreVersion: ref('TruststoreVersion'),
            },
          }
        : {}),
    },
  };
}

function aliasOf(name: string, condition: string, target: string, zone: unknown): Resources[string] {
  return {
    Type: 'AWS::Route53::RecordSet',
    Condition: condition,
    Properties: {
      HostedZoneId: ref('HostedZoneId'),
      Name: host(name),
      Type: 'A',
      AliasTarget: {
        DNSName: att(target, zone === undefined ? 'DomainName' : 'RegionalDomainName'),
        HostedZoneId: zone ?? 'Z2FDTNDATAQYW2',
      },
    },
  };
}

const api: Resources = {
  // Merged into what osls makes of the routes.
  HttpApi: {
    Type: 'AWS::ApiGatewayV2::Api',
    Properties: { DisableExecuteApiEndpoint: when('HasDomain', true, false) },
  },
  EnrollDomain: domainOf('enroll', false),
  EnrollMapping: {
    Type: 'AWS::ApiGatewayV2::ApiMapping',
    Condition: 'HasDomain',
    DependsOn: ['HttpApiStage'],
    Properties: { ApiId: ref('HttpApi'), DomainName: ref('EnrollDomain'), Stage: '$default' },
  },
  EnrollAlias: aliasOf('enroll', 'HasDomain', 'EnrollDomain', att('EnrollDomain', 'RegionalHostedZoneId')),
  TruststoreBucket: {
    Type: 'AWS::S3::Bucket',
    DeletionPolicy: 'Retain',
    UpdateReplacePolicy: 'Retain',
    // API Gateway takes one version of the file, not the latest.
    Properties: { ...privateBucket, VersioningConfiguration: { Status: 'Enabled' } },
  },
  RenewApi: {
    Type: 'AWS::ApiGatewayV2::Api',
    Condition: 'HasRenewHost',
    Properties: { Name: sub('${AWS::StackName}-renew'), ProtocolType: 'HTTP', DisableExecuteApiEndpoint: true },
  },
  RenewStage: {
    Type: 'AWS::ApiGatewayV2::Stage',
    Condition: 'HasRenewHost',
    Properties: { ApiId: ref('RenewApi'), StageName: '$default', AutoDeploy: true },
  },
  RenewDomain: domainOf('renew', true),
  RenewMapping: {
    Type: 'AWS::ApiGatewayV2::ApiMapping',
    Condition: 'HasRenewHost',
    DependsOn: ['RenewStage'],
    Properties: { ApiId: ref('RenewApi'), DomainName: ref('RenewDomain'), Stage: '$default' },
  },
  RenewAlias: aliasOf('renew', 'HasRenewHost', 'RenewDomain', att('RenewDomain', 'RegionalHostedZoneId')),
};

/** Our own, and those that CAs of ACM PCA publish themselves: under `v1/crls/` and `crl/`, as their URLs have it. */
const crlsServed = {
  Effect: 'Allow',
  Principal: { Service: 'cloudfront.amazonaws.com' },
  Action: 's3:GetObject',
  Resource: [sub('${CrlBucket.Arn}/v1/crls/*'), sub('${CrlBucket.Arn}/crl/*')],
  Condition: {
    StringEquals: {
      'AWS:SourceArn': sub('arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${CrlDistribution}'),
    },
  },
};

/** ACM PCA, "Access policies for CRLs in Amazon S3": what its service principal needs. */
const ownCrlsWritten = {
  Effect: 'Allow',
  Principal: { Service: 'acm-pca.amazonaws.com' },
  Action: ['s3:PutObject', 's3:PutObjectAcl', 's3:GetBucketAcl', 's3:GetBucketLocation'],
  Resource: [att('CrlBucket', 'Arn'), sub('${CrlBucket.Arn}/crl/*')],
  Condition: { StringEquals: { 'aws:SourceAccount': ref('AWS::AccountId') } },
};

const crls: Resources = {
  CrlBucket: {
    Type: 'AWS::S3::Bucket',
    DeletionPolicy: 'Retain',
    UpdateReplacePolicy: 'Retain',
    Properties: { ...privateBucket },
  },
  CrlAccess: {
    Type: 'AWS::CloudFront::OriginAccessControl',
    Condition: 'HasDomain',
    Properties: {
      OriginAccessControlConfig: {
        Name: sub('${AWS::StackName}-crl'),
        OriginAccessControlOriginType: 's3',
        SigningBehavior: 'always',
        SigningProtocol: 'sigv4',
      },
    },
  },
  CrlDistribution: {
    Type: 'AWS::CloudFront::Distribution',
    Condition: 'HasDomain',
    Properties: {
      DistributionConfig: {
        Aliases: [host('crl')],
        Comment: sub('CRLs of ${AWS::StackName}'),
        DefaultCacheBehavior: {
          TargetOriginId: 'crls',
          // Plain HTTP, and no redirection to HTTPS.
          ViewerProtocolPolicy: 'allow-all',
          AllowedMethods: ['GET', 'HEAD'],
          // CachingOptimized, managed by AWS.
          CachePolicyId: '658327ea-f89d-4fab-a63d-7e88639e58f6',
        },
        Enabled: true,
        HttpVersion: 'http2',
        Origins: [
          {
            Id: 'crls',
            DomainName: att('CrlBucket', 'RegionalDomainName'),
            OriginAccessControlId: att('CrlAccess', 'Id'),
            S3OriginConfig: { OriginAccessIdentity: '' },
          },
        ],
        ViewerCertificate: {
          // Of us-east-1, whatever the Region: CloudFront takes no other.
          AcmCertificateArn: when('HasCrlCertificate', ref('CrlCertificateArn'), ref('CertificateArn')),
          SslSupportMethod: 'sni-only',
          MinimumProtocolVersion: 'TLSv1.2_2021',
        },
      },
    },
  },
  CrlBucketPolicy: {
    Type: 'AWS::S3::BucketPolicy',
    Properties: {
      Bucket: ref('CrlBucket'),
      PolicyDocument: { Version: '2012-10-17', Statement: [ownCrlsWritten, when('HasDomain', crlsServed, noValue)] },
    },
  },
  CrlAlias: aliasOf('crl', 'HasDomain', 'CrlDistribution', undefined),
};

export const hosts: Resources = { ...api, ...crls };
export { noValue };
