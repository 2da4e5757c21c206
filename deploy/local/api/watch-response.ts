import { acceptedForm } from './negotiation.ts';
import { watchDocument } from './represent.ts';
import type { Call } from './resource-routes.ts';
import { planWatch, startWatch, type WatchSink } from './watch.ts';

/** A client that lets this much pile up does not keep up: its watch ends, and it lists anew. */
const maxBufferedBytes = 32 * 1024 * 1024;

/** Answers a watch: headers at once, then one JSON object a line until either side ends it. */
export function serveWatch(call: Call): void {
  const { backend, target, query, request, response } = call;
  const form = acceptedForm(request.headers.accept);
  const plan = planWatch(target, query);
  response.writeHead(200, {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-cache, private',
    'Transfer-Encoding': 'chunked',
  });
  response.flushHeaders();
  let first = true;
  const sink: WatchSink = {
    write(line) {
      const document = watchDocument(target.type, line, form, query.get('includeObject'), backend.now(), first);
      if (line.type !== 'ERROR' && line.type !== 'BOOKMARK') first = false;
      response.write(`${JSON.stringify(document)}\n`);
      return response.writableLength < maxBufferedBytes;
    },
    end: () => void response.end(),
  };
  const stop = startWatch(backend, target, plan, sink, call.bookmarkMs);
  response.once('close', stop);
}
