/** TagCertificateAuthority, UntagCertificateAuthority, ListTags. */
import type {
  ListTagsRequest,
  Tag,
  TagCertificateAuthorityRequest,
  UntagCertificateAuthorityRequest,
} from '@aws-sdk/client-acm-pca';
import { refuseState, requireAuthority, statusOf } from '../authority.ts';
import type { Endpoint } from '../endpoint.ts';
import { refuse } from '../errors.ts';
import { readPage } from '../pagination.ts';
import type { AuthorityRecord } from '../store.ts';

const tagsMax = 50;

/** InvalidTagException for a reserved key or one key twice, TooManyTagsException above 50 with those already there. */
export function checkNewTags(present: readonly Tag[], added: readonly Tag[]): void {
  const reserved = added.find(({ Key }) => /^aws:/i.test(Key ?? ''));
  if (reserved !== undefined) refuse('InvalidTagException', `The tag key ${reserved.Key} is reserved.`);
  if (new Set(added.map(({ Key }) => Key)).size !== added.length) {
    refuse('InvalidTagException', 'A tag key is given twice.');
  }
  const keys = new Set([...present, ...added].map(({ Key }) => Key));
  if (keys.size > tagsMax) refuse('TooManyTagsException', `A certificate authority has at most ${tagsMax} tags.`);
}

function requireTaggable(endpoint: Endpoint, arn: string | undefined): AuthorityRecord {
  const record = requireAuthority(endpoint, arn ?? '');
  const status = statusOf(record, endpoint.clock());
  if (status === 'DELETED') refuseState(record, status);
  return record;
}

/** TagCertificateAuthority: a key that is there takes the new value. */
export function tagCertificateAuthority(endpoint: Endpoint, input: TagCertificateAuthorityRequest): object {
  const record = requireTaggable(endpoint, input.CertificateAuthorityArn);
  const added = input.Tags ?? [];
  checkNewTags(record.tags, added);
  const kept = record.tags.filter(({ Key }) => !added.some((tag) => tag.Key === Key));
  endpoint.store.saveAuthority({ ...record, tags: [...kept, ...added] });
  return {};
}

/** UntagCertificateAuthority: without a value whatever the value is, with one only where it is equal. */
export function untagCertificateAuthority(endpoint: Endpoint, input: UntagCertificateAuthorityRequest): object {
  const record = requireTaggable(endpoint, input.CertificateAuthorityArn);
  const isRemoved = (tag: Tag): boolean =>
    (input.Tags ?? []).some(({ Key, Value }) => Key === tag.Key && (Value === undefined || Value === tag.Value));
  endpoint.store.saveAuthority({ ...record, tags: record.tags.filter((tag) => !isRemoved(tag)) });
  return {};
}

/** ListTags, paged. */
export function listTags(endpoint: Endpoint, input: ListTagsRequest): object {
  const record = requireTaggable(endpoint, input.CertificateAuthorityArn);
  const { items, nextToken } = readPage(record.tags, (_, index) => index, {
    listName: `tags ${record.id}`,
    token: input.NextToken,
    sizeMax: input.MaxResults ?? tagsMax,
    tokenError: 'ValidationException',
  });
  return { Tags: items, ...(nextToken === undefined ? {} : { NextToken: nextToken }) };
}
