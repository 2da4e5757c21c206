/** The Kubernetes version whose API this server speaks; clients warn when theirs is far from it. */
const minor = 36;

/** Answer of /version. The suffix says that this is not the Kubernetes project's own server. */
export function versionDocument(): object {
  return {
    major: '1',
    minor: String(minor),
    gitVersion: `v1.${minor}.0+hayate`,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: '',
    platform: '',
  };
}
