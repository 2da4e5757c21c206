import { stringify } from 'yaml';

/** A kubeconfig, as YAML, whose one context `hayate` leads to the server at `url`. Whoever reads it may do everything there: write it with mode 0600. */
export function kubeconfig(url: string): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'hayate',
    // Clients of the JavaScript library refuse plain HTTP without this; there is no certificate to verify.
    clusters: [{ name: 'hayate', cluster: { server: url, 'insecure-skip-tls-verify': true } }],
    contexts: [{ name: 'hayate', context: { cluster: 'hayate', user: 'hayate', namespace: 'default' } }],
    users: [{ name: 'hayate', user: {} }],
  });
}
