/** Where the emulators of AWS are that `npm run test:aws` has started. */
export type EmulatedService = 'SQS' | 'DYNAMODB' | 'S3';

export const emulatorRegion = 'us-east-1';
/** LocalStack takes an access key that is an account id for the account. */
export const emulatorCredentials = { accessKeyId: '000000000000', secretAccessKey: 'emulator' };

/** Throws when it is not there: a lane that tests nothing must not pass. */
export function emulatorEndpoint(service: EmulatedService): string {
  const name = `SEALWRIGHT_TEST_${service}_ENDPOINT`;
  const endpoint = process.env[name];
  if (endpoint === undefined || endpoint === '')
    throw new Error(`${name} is not set: npm run test:aws starts the emulators and sets it`);
  return endpoint;
}
