import { StatusError } from './errors.ts';

/** What form of an object or list the client wants. */
export type Form = 'plain' | 'table' | 'metadata';

/** One media type of an Accept header. */
export interface MediaType {
  name: string;
  parameters: Record<string, string>;
}

/** The media types of a header, in the client's order; `q` is ignored, as Kubernetes clients list by preference. */
export function mediaTypes(header: string): MediaType[] {
  return header
    .split(',')
    .map((part) => part.split(';').map((piece) => piece.trim()))
    .filter(([name]) => name !== undefined && name !== '')
    .map(([name = '', ...pieces]) => ({
      name: name.toLowerCase(),
      parameters: Object.fromEntries(
        pieces.map((piece) => piece.split('=', 2)).map(([key = '', value = '']) => [key, value]),
      ),
    }));
}

/** The first form in the header that this server speaks; JSON for no header. Throws 406. */
export function acceptedForm(header: string | undefined): Form {
  const accepted = mediaTypes(header ?? '');
  if (accepted.length === 0) return 'plain';
  for (const { name, parameters } of accepted) {
    if (!['application/json', 'application/*', '*/*'].includes(name)) continue;
    const as = parameters['as'];
    if (as === undefined) return 'plain';
    if (parameters['g'] !== 'meta.k8s.io' || !['v1', 'v1beta1'].includes(parameters['v'] ?? '')) continue;
    if (as === 'Table') return 'table';
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return 'metadata';
  }
  throw new StatusError(406, 'NotAcceptable', 'only the following media types are accepted: application/json');
}
