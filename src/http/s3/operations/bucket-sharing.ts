/** Ownership controls and the public access block of a bucket: what access control lists and policies may give away in it. */
import { BUCKET_ACL, parseAccessList, sharesWithOthers } from '../../../engine/access-list.js';
import {
  formatBlocks,
  isBlocked,
  OBJECT_OWNERSHIPS,
  OWNERSHIP_CONTROLS,
  PUBLIC_ACCESS_BLOCK,
  PUBLIC_ACCESS_BLOCKS,
} from '../../../engine/bucket-sharing.js';
import { answer } from '../answer.js';
import type { Exchange } from '../exchange.js';
import { receiveXml } from '../receive-body.js';
import { S3Error } from '../s3-error.js';
import { childText } from '../xml-reader.js';
import { element, xmlDocument } from '../xml-writer.js';

export function getOwnershipControls(exchange: Exchange): void {
  const { bucket } = exchange.target;
  answer(exchange, exchange.context.objects.bucketDocument(bucket, OWNERSHIP_CONTROLS), (ownership) => {
    if (ownership === undefined) throw new S3Error('OwnershipControlsNotFoundError');
    const rule = `<Rule>${element('ObjectOwnership', ownership)}</Rule>`;
    exchange.replyXml(200, xmlDocument('OwnershipControls', rule));
  });
}

/** Lists are switched off only where none gives anything to others: what they gave would be taken away unasked. */
export function putOwnershipControls(exchange: Exchange): void {
  const { bucket } = exchange.target;
  const { objects } = exchange.context;
  receiveXml(exchange, {}, (root) => {
    const [rule, ...others] = root.children.filter(({ name }) => name === 'Rule');
    const text = rule === undefined ? undefined : childText(rule, 'ObjectOwnership')?.trim();
    const ownership = OBJECT_OWNERSHIPS.find((one) => one === text);
    if (root.name !== 'OwnershipControls' || others.length > 0 || ownership === undefined)
      throw new S3Error('MalformedXML');
    const changed = objects.bucketDocument(bucket, BUCKET_ACL).then((kept) => {
      if (ownership === 'BucketOwnerEnforced' && sharesWithOthers(parseAccessList(kept)))
        throw new S3Error('InvalidBucketAclWithObjectOwnership');
      return objects.setBucketDocument(bucket, OWNERSHIP_CONTROLS, ownership);
    });
    answer(exchange, changed, () => exchange.reply(200, exchange.startHeaders()));
  });
}

export function deleteOwnershipControls(exchange: Exchange): void {
  remove(exchange, OWNERSHIP_CONTROLS);
}

export function getPublicAccessBlock(exchange: Exchange): void {
  const { bucket } = exchange.target;
  answer(exchange, exchange.context.objects.bucketDocument(bucket, PUBLIC_ACCESS_BLOCK), (document) => {
    if (document === undefined) throw new S3Error('NoSuchPublicAccessBlockConfiguration');
    const content = PUBLIC_ACCESS_BLOCKS.map((block) => element(block, isBlocked(document, block))).join('');
    exchange.replyXml(200, xmlDocument('PublicAccessBlockConfiguration', content));
  });
}

export function putPublicAccessBlock(exchange: Exchange): void {
  const { bucket } = exchange.target;
  const { objects } = exchange.context;
  receiveXml(exchange, {}, (root) => {
    if (root.name !== 'PublicAccessBlockConfiguration') throw new S3Error('MalformedXML');
    for (const { name, text } of root.children)
      if (!PUBLIC_ACCESS_BLOCKS.some((block) => block === name) || !/^\s*(true|false)\s*$/i.test(text))
        throw new S3Error('MalformedXML');
    const blocks = PUBLIC_ACCESS_BLOCKS.filter(
      (block) => childText(root, block)?.trim().toLowerCase() === 'true',
    );
    answer(exchange, objects.setBucketDocument(bucket, PUBLIC_ACCESS_BLOCK, formatBlocks(blocks)), () =>
      exchange.reply(200, exchange.startHeaders()),
    );
  });
}

export function deletePublicAccessBlock(exchange: Exchange): void {
  remove(exchange, PUBLIC_ACCESS_BLOCK);
}

function remove(exchange: Exchange, name: string): void {
  const { objects } = exchange.context;
  answer(exchange, objects.setBucketDocument(exchange.target.bucket, name, ''), () => {
    exchange.reply(204, exchange.startHeaders());
  });
}
