// Holds @sigstore/verify, unmodified, to our inclusion proofs and checkpoints: JSON on standard input, JSON out.
//
//     npm ci --ignore-scripts && node_modules/.bin/node verify.js < cases.json
//
// A case is { vkey, note, leaf (the entry, hex), index, path }; the answer "" when it holds, or why it does not. The
// library's own entry point wants a Sigstore bundle; this is the function that it checks the log with (dist/tlog).

'use strict';

const { createPublicKey } = require('crypto');
const { verifyTLogInclusion } = require('@sigstore/verify/dist/tlog');

const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');

// What a trust root says of a log: its key, its name, and an id whose first four bytes are the key's hint in notes.
function authority(vkey) {
  const at = vkey.indexOf('+');
  const name = vkey.slice(0, at);
  const hint = Buffer.from(vkey.slice(at + 1, at + 9), 'hex');
  const key = Buffer.from(vkey.slice(at + 10), 'base64');
  return {
    baseURL: name,
    logID: Buffer.concat([hint, Buffer.alloc(28)]),
    publicKey: createPublicKey({ key: Buffer.concat([ED25519_SPKI, key.subarray(1)]), format: 'der', type: 'spki' }),
    validFor: { start: new Date(0), end: new Date(8640000000000000) },
  };
}

function said(one) {
  const log = authority(one.vkey);
  const entry = {
    logId: { keyId: log.logID },
    canonicalizedBody: Buffer.from(one.leaf, 'hex'),
    inclusionPromise: undefined,
    inclusionProof: {
      logIndex: String(one.index),
      hashes: one.path.map((digest) => Buffer.from(digest, 'hex')),
      checkpoint: { envelope: one.note },
    },
  };
  try {
    verifyTLogInclusion(entry, [log]);
    return '';
  } catch (error) {
    return String(error.message || error);
  }
}

const chunks = [];
process.stdin.on('data', (chunk) => chunks.push(chunk));
process.stdin.on('end', () => {
  const cases = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  process.stdout.write(JSON.stringify({ node: process.version, answers: cases.map(said) }));
});
