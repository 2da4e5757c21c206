import { isObject, type Json, type JsonObject } from './object.ts';

/** Whoever knows the secret may do everything; this is the name that reviews give. */
const user = { username: 'hayate:local', groups: ['system:masters', 'system:authenticated'] };

/** True if a POST to this path asks what one may do oneself. */
export function isReviewPath(path: string): boolean {
  return /^\/apis\/(?:authorization\.k8s\.io\/v1\/selfsubject(?:access|rules)reviews|authentication\.k8s\.io\/v1\/selfsubjectreviews)$/.test(
    path,
  );
}

/** The answer to a review: everything is allowed. */
export function answerReview(path: string, body: Json): JsonObject {
  const given = isObject(body) ? body : {};
  const spec = isObject(given['spec']) ? given['spec'] : {};
  if (path.endsWith('/selfsubjectreviews')) {
    return {
      kind: 'SelfSubjectReview',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: {},
      status: { userInfo: user },
    };
  }
  const apiVersion = 'authorization.k8s.io/v1';
  if (path.endsWith('/selfsubjectrulesreviews')) {
    const status = {
      resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
      nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
      incomplete: false,
    };
    return { kind: 'SelfSubjectRulesReview', apiVersion, metadata: {}, spec, status };
  }
  return { kind: 'SelfSubjectAccessReview', apiVersion, metadata: {}, spec, status: { allowed: true } };
}
