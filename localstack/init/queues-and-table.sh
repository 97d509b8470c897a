#!/bin/sh
# Run by LocalStack once it is ready: the queues of serverless.yml with their dead-letter queues, and the bucket of audit reports.
# The table is made by the tests, from shared/adapters/dynamodb/table.ts.
set -eu

for name in enrolment signing-acm-pca signing-pkcs11; do
  awslocal sqs create-queue --queue-name "$name-dead" --attributes MessageRetentionPeriod=1209600
  dead=$(awslocal sqs get-queue-url --queue-name "$name-dead" --query QueueUrl --output text)
  arn=$(awslocal sqs get-queue-attributes --queue-url "$dead" --attribute-names QueueArn --query Attributes.QueueArn --output text)
  awslocal sqs create-queue --queue-name "$name" --attributes \
    "{\"VisibilityTimeout\":\"180\",\"MessageRetentionPeriod\":\"1209600\",\"RedrivePolicy\":\"{\\\"maxReceiveCount\\\":\\\"10\\\",\\\"deadLetterTargetArn\\\":\\\"$arn\\\"}\"}"
done
awslocal s3 mb s3://sealwright-audit-reports
