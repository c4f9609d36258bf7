// Package checkpoint keeps what a trial has learned where a killed pod cannot harm it: best checkpoints, from which a model is
// promoted, and resume checkpoints, from which the next attempt goes on exactly.
//
// In the walk it stands below the loop, which decides when to save, and beside outbox: a report that names a checkpoint is
// spooled only after Save has returned. The operator never opens what lies here; the publishing Job does, through Load.
//
// A store is a directory. A writer (one pod) owns one directory below it and writes nowhere else:
//
//	<uri>/<run uid>/<trial>/<writer>/best-e0007/               manifest.json weights.safetensors reports.jsonl golden.u8
//	<uri>/<run uid>/<trial>/<writer>/resume-e0007-s00000123/   manifest.json weights.safetensors slots.safetensors reports.jsonl
//
// A directory that bears its final name is whole: it is written under another name, synced and then renamed. That it is still
// what was written is what the sha256 of its manifest, and the manifest's sha256 per file, are for.
package checkpoint
