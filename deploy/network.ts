/**
 * The HSM's signer and the publisher of CRLs inside the VPC of their cluster: a security group of their own, and endpoints for what
 * they call. They have no way to the internet. Everything else is outside the VPC, where there is nothing of ours to reach.
 */
import { type Resources, ref, sub } from './template.ts';

const split = (name: string) => ({ 'Fn::Split': [',', ref(name)] });

/** CloudHSM's ports: clients (2223–2225). */
const hsmPorts = { FromPort: 2223, ToPort: 2225 };

function interfaceEndpoint(service: string): Resources[string] {
  return {
    Type: 'AWS::EC2::VPCEndpoint',
    Condition: 'HasHsm',
    Properties: {
      VpcEndpointType: 'Interface',
      ServiceName: sub(`com.amazonaws.\${AWS::Region}.${service}`),
      VpcId: ref('VpcId'),
      SubnetIds: split('SubnetIds'),
      SecurityGroupIds: [ref('EndpointSecurityGroup')],
      PrivateDnsEnabled: true,
    },
  };
}

export const network: Resources = {
  SignerSecurityGroup: {
    Type: 'AWS::EC2::SecurityGroup',
    Condition: 'HasHsm',
    Properties: {
      GroupDescription: 'The signer: to the HSMs and to the endpoints of AWS',
      VpcId: ref('VpcId'),
      SecurityGroupEgress: [
        { IpProtocol: 'tcp', ...hsmPorts, DestinationSecurityGroupId: ref('HsmSecurityGroupId') },
        // To endpoints in the VPC, and to DynamoDB and S3 through their gateways: the routes lead nowhere else.
        { IpProtocol: 'tcp', FromPort: 443, ToPort: 443, CidrIp: '0.0.0.0/0' },
      ],
    },
  },
  HsmIngress: {
    Type: 'AWS::EC2::SecurityGroupIngress',
    Condition: 'HasHsm',
    Properties: {
      GroupId: ref('HsmSecurityGroupId'),
      IpProtocol: 'tcp',
      ...hsmPorts,
      SourceSecurityGroupId: ref('SignerSecurityGroup'),
    },
  },
  EndpointSecurityGroup: {
    Type: 'AWS::EC2::SecurityGroup',
    Condition: 'HasHsm',
    Properties: {
      GroupDescription: 'Endpoints of AWS, for the signer alone',
      VpcId: ref('VpcId'),
      SecurityGroupIngress: [
        { IpProtocol: 'tcp', FromPort: 443, ToPort: 443, SourceSecurityGroupId: ref('SignerSecurityGroup') },
      ],
    },
  },
  DynamoDbEndpoint: {
    Type: 'AWS::EC2::VPCEndpoint',
    Condition: 'HasHsm',
    Properties: {
      VpcEndpointType: 'Gateway',
      ServiceName: sub('com.amazonaws.${AWS::Region}.dynamodb'),
      VpcId: ref('VpcId'),
      RouteTableIds: split('RouteTableIds'),
    },
  },
  S3Endpoint: {
    Type: 'AWS::EC2::VPCEndpoint',
    Condition: 'HasHsm',
    Properties: {
      VpcEndpointType: 'Gateway',
      ServiceName: sub('com.amazonaws.${AWS::Region}.s3'),
      VpcId: ref('VpcId'),
      RouteTableIds: split('RouteTableIds'),
      // Through it CRLs are read and published, and nothing else leaves the VPC for S3.
      PolicyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Principal: '*',
            Action: ['s3:GetObject', 's3:PutObject', 's3:ListBucket'],
            Resource: [sub('${CrlBucket.Arn}'), sub('${CrlBucket.Arn}/*')],
          },
        ],
      },
    },
  },
  SqsEndpoint: interfaceEndpoint('sqs'),
  SecretsEndpoint: interfaceEndpoint('secretsmanager'),
  CloudHsmEndpoint: interfaceEndpoint('cloudhsmv2'),
};
