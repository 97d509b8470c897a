// What `npm run dev` hands to osls: the functions and events of serverless.yml, for serverless-offline.
import { devConfiguration } from './localstack/dev/configuration.ts';

export default devConfiguration();
