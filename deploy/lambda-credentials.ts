/**
 * Credentials of a Lambda: the variables that its role's session is put into. It stands for the SDK's default chain in the
 * bundles, where profiles, single sign-on, web identities and instance metadata are nothing but bytes.
 */
function fromVariables() {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN } = process.env;
  if (!accessKeyId || !secretAccessKey) throw new Error('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set');
  return { accessKeyId, secretAccessKey, ...(AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {}) };
}

/** As @aws-sdk/credential-provider-node has it. */
export const defaultProvider = () => async () => fromVariables();

/** As @aws-sdk/client-sts has it: nothing to decorate, since no role is assumed. */
export const decorateDefaultCredentialProvider = (provider: unknown) => provider;
