/**
 * CreatePermission, DeletePermission, ListPermissions; PutPolicy, GetPolicy, DeletePolicy. They are kept and answered; nothing
 * here is allowed or denied by them, since there is one caller.
 */
import type {
  CreatePermissionRequest,
  DeletePermissionRequest,
  DeletePolicyRequest,
  GetPolicyRequest,
  ListPermissionsRequest,
  PutPolicyRequest,
} from '@aws-sdk/client-acm-pca';
import { refuseState, requireAuthority, statusOf } from '../authority.ts';
import type { Endpoint } from '../endpoint.ts';
import { refuse } from '../errors.ts';
import { readPage } from '../pagination.ts';
import type { AuthorityRecord, GrantedPermission } from '../store.ts';
import { timestamp } from './describe-authority.ts';

/** The only principal that the service takes. */
const acmPrincipal = 'acm.amazonaws.com';
const pagePermissionsMax = 100;

function requirePresent(endpoint: Endpoint, arn: string | undefined): AuthorityRecord {
  const record = requireAuthority(endpoint, arn ?? '');
  const status = statusOf(record, endpoint.clock());
  if (status === 'DELETED') refuseState(record, status);
  return record;
}

function isOf(
  endpoint: Endpoint,
  given: { readonly Principal?: string | undefined; readonly SourceAccount?: string | undefined },
): (one: GrantedPermission) => boolean {
  const account = given.SourceAccount ?? endpoint.scope.account;
  return ({ principal, sourceAccount }) => principal === given.Principal && sourceAccount === account;
}

/** CreatePermission: one for a principal and account. PermissionAlreadyExistsException, ValidationException. */
export function createPermission(endpoint: Endpoint, input: CreatePermissionRequest): object {
  const record = requirePresent(endpoint, input.CertificateAuthorityArn);
  if (input.Principal !== acmPrincipal) refuse('ValidationException', `The principal has to be ${acmPrincipal}.`);
  const permissions = record.permissions ?? [];
  if (permissions.some(isOf(endpoint, input))) {
    refuse('PermissionAlreadyExistsException', 'The designated permission has already been given.');
  }
  const added: GrantedPermission = {
    createdAt: endpoint.clock(),
    principal: input.Principal,
    sourceAccount: input.SourceAccount ?? endpoint.scope.account,
    actions: [...new Set(input.Actions)],
  };
  endpoint.store.saveAuthority({ ...record, permissions: [...permissions, added] });
  return {};
}

/** DeletePermission. ResourceNotFoundException for one that was not given. */
export function deletePermission(endpoint: Endpoint, input: DeletePermissionRequest): object {
  const record = requirePresent(endpoint, input.CertificateAuthorityArn);
  const permissions = record.permissions ?? [];
  const matches = isOf(endpoint, input);
  if (!permissions.some(matches)) refuse('ResourceNotFoundException', 'The permission has not been given.');
  endpoint.store.saveAuthority({ ...record, permissions: permissions.filter((one) => !matches(one)) });
  return {};
}

/** ListPermissions, paged. */
export function listPermissions(endpoint: Endpoint, input: ListPermissionsRequest): object {
  const record = requirePresent(endpoint, input.CertificateAuthorityArn);
  const { items, nextToken } = readPage(record.permissions ?? [], (_, index) => index, {
    listName: `permissions ${record.id}`,
    token: input.NextToken,
    sizeMax: Math.min(input.MaxResults ?? pagePermissionsMax, pagePermissionsMax),
  });
  return {
    Permissions: items.map(({ createdAt, principal, sourceAccount, actions }) => ({
      CertificateAuthorityArn: record.arn,
      CreatedAt: timestamp(createdAt),
      Principal: principal,
      SourceAccount: sourceAccount,
      Actions: actions,
    })),
    ...(nextToken === undefined ? {} : { NextToken: nextToken }),
  };
}

function isPolicy(text: string): boolean {
  try {
    const policy: unknown = JSON.parse(text);
    return typeof policy === 'object' && policy !== null && 'Statement' in policy;
  } catch {
    return false;
  }
}

/** PutPolicy: replaces the policy of the CA. InvalidPolicyException for what is no policy document. */
export function putPolicy(endpoint: Endpoint, input: PutPolicyRequest): object {
  const record = requirePresent(endpoint, input.ResourceArn);
  const policy = input.Policy ?? '';
  if (!isPolicy(policy)) refuse('InvalidPolicyException', 'The resource policy is invalid.');
  endpoint.store.saveAuthority({ ...record, policy });
  return {};
}

/** GetPolicy. ResourceNotFoundException when there is none. */
export function getPolicy(endpoint: Endpoint, input: GetPolicyRequest): object {
  const { arn, policy } = requirePresent(endpoint, input.ResourceArn);
  if (policy === undefined) refuse('ResourceNotFoundException', `The resource ${arn} has no policy.`);
  return { Policy: policy };
}

/** DeletePolicy. ResourceNotFoundException when there is none. */
export function deletePolicy(endpoint: Endpoint, input: DeletePolicyRequest): object {
  const { policy, ...record } = requirePresent(endpoint, input.ResourceArn);
  if (policy === undefined) refuse('ResourceNotFoundException', `The resource ${record.arn} has no policy.`);
  endpoint.store.saveAuthority(record);
  return {};
}
