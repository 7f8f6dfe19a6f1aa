// Renders live frames with Vexa's own library, in both ways its users do, and prints the results.
// Reads {"cases": [{"bootstrap": [segment] or null, "frames": [frame], "rest": [segment]}]}.
import { readFileSync } from 'node:fs';
import {
  createTranscriptManager, deduplicateSegments, groupSegments, sortSegments, upsertSegments,
} from '@vexaai/transcript-rendering';

const shown = (segment) => [segment.segment_id, segment.speaker ?? '', segment.text];

// The manager: it knows frames, and is told them as they come.
function managed({ bootstrap, frames }) {
  const manager = createTranscriptManager();
  const seen = { doubled: 0 };
  if (bootstrap) manager.bootstrap(bootstrap);
  for (const frame of frames) {
    const now = manager.handleMessage(frame);
    if (now && new Set(now.map((each) => each.segment_id)).size !== now.length) seen.doubled += 1;
  }
  const segments = manager.getSegments();
  seen.segments = segments.map(shown);
  seen.drafts = segments.filter((each) => !each.completed).map(shown);
  seen.pending = [...manager.getState().pendingBySpeaker.values()].flat().map(shown);
  return seen;
}

// The steps: a map of segments, sorted, cleared of overlaps and grouped by speaker.
function grouped(incoming) {
  const known = new Map();
  for (const segments of incoming) upsertSegments(known, segments);
  const groups = groupSegments(deduplicateSegments(sortSegments([...known.values()])));
  return groups.map((group) => ({
    speaker: group.key,
    text: group.combinedText,
    start_s: group.startTimeSeconds,
    end_s: group.endTimeSeconds,
    start: group.startTime,
    end: group.endTime,
  }));
}

function segmentsOf(frame) {
  if (frame.type === 'transcript') return [...frame.confirmed, ...frame.pending];
  return frame.type === 'transcript.mutable' ? frame.payload.segments : [];
}

const { cases } = JSON.parse(readFileSync(0, 'utf8'));
const rendered = cases.map((each) => ({
  ...managed(each),
  groups: grouped([each.bootstrap ?? [], ...each.frames.map(segmentsOf)]),
  rest: managed({ bootstrap: each.rest, frames: [] }).segments,
  rest_groups: grouped([each.rest]),
}));
process.stdout.write(JSON.stringify({ rendered }));
