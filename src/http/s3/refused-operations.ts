/** The operations that are refused by name, each with its reason. */
import { configuration, refused, type Operation } from './operation.js';

const ONE_VERSION = 'objects have one version';
const ELSEWHERE = 'a service beside the store';
const DIRECTORY = 'of directory buckets';
const NOT_ENCRYPTED = 'nothing is encrypted at rest';
const LIFETIME = 'the under-store decides how long objects live';
const METADATA_TABLES = 'there are no metadata tables';

export const REFUSED: readonly Operation[] = [
  refused('PutBucketVersioning', 'PUT bucket?versioning', ONE_VERSION),
  refused('UpdateObjectEncryption', 'PUT object?encryption', NOT_ENCRYPTED),
  refused('PutBucketEncryption', 'PUT bucket?encryption', NOT_ENCRYPTED),
  refused('PutBucketLifecycleConfiguration', 'PUT bucket?lifecycle', LIFETIME),
  refused('PutBucketReplication', 'PUT bucket?replication', ELSEWHERE),
  refused('PutBucketWebsite', 'PUT bucket?website', ELSEWHERE),
  refused('PutBucketAccelerateConfiguration', 'PUT bucket?accelerate', ELSEWHERE),
  refused('PutBucketAnalyticsConfiguration', 'PUT bucket?analytics', ELSEWHERE),
  refused(
    'PutBucketIntelligentTieringConfiguration',
    'PUT bucket?intelligent-tiering',
    'there is one storage class',
  ),
  refused('PutBucketInventoryConfiguration', 'PUT bucket?inventory', ELSEWHERE),
  refused('PutBucketMetricsConfiguration', 'PUT bucket?metrics', ELSEWHERE),
  ...configuration('metadataConfiguration', METADATA_TABLES, {
    POST: 'CreateBucketMetadataConfiguration',
    GET: 'GetBucketMetadataConfiguration',
    DELETE: 'DeleteBucketMetadataConfiguration',
  }),
  ...configuration('metadataTable', METADATA_TABLES, {
    POST: 'CreateBucketMetadataTableConfiguration',
    GET: 'GetBucketMetadataTableConfiguration',
    DELETE: 'DeleteBucketMetadataTableConfiguration',
  }),
  refused(
    'UpdateBucketMetadataAnnotationTableConfiguration',
    'PUT bucket?metadataAnnotationTable',
    METADATA_TABLES,
  ),
  refused(
    'UpdateBucketMetadataInventoryTableConfiguration',
    'PUT bucket?metadataInventoryTable',
    METADATA_TABLES,
  ),
  refused(
    'UpdateBucketMetadataJournalTableConfiguration',
    'PUT bucket?metadataJournalTable',
    METADATA_TABLES,
  ),
  refused('GetObjectAnnotation', 'GET object?annotation', METADATA_TABLES),
  refused('ListObjectAnnotations', 'GET object?annotation', METADATA_TABLES),
  refused('PutObjectAnnotation', 'PUT object?annotation', METADATA_TABLES),
  refused('DeleteObjectAnnotation', 'DELETE object?annotation', METADATA_TABLES),
  refused('GetObjectTorrent', 'GET object?torrent', ELSEWHERE),
  refused('RestoreObject', 'POST object?restore', 'there is one storage class'),
  refused('SelectObjectContent', 'POST object?select', ELSEWHERE),
  refused('RenameObject', 'PUT object?renameObject', DIRECTORY),
  refused('CreateSession', 'GET bucket?session', DIRECTORY),
  refused('ListDirectoryBuckets', 'GET service', `${DIRECTORY}; the same request is ListBuckets`),
  refused('WriteGetObjectResponse', 'POST service', 'of Object Lambda'),
];
