export { bucketOf, type Counted } from '../../inventory/counted.ts';
