import type { CustomResourceDefinition, PrinterColumn } from './definition.ts';
import { toStructural } from './structural.ts';
import { resource, rootRules, trainingJobSpec, trainingJobStatus } from './trainingjob.ts';

const columns: PrinterColumn[] = [
  { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
  {
    name: 'Ready',
    type: 'string',
    jsonPath: '.status.workers.summary',
    description: 'Workers that are ready, of those wanted.',
  },
  { name: 'Step', type: 'integer', jsonPath: '.status.progress.step', description: 'Training steps done.' },
  {
    name: 'Restarts',
    type: 'integer',
    jsonPath: '.status.restarts.counted',
    description: 'Restarts of the whole group.',
  },
  { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  {
    name: 'Attempt',
    type: 'integer',
    jsonPath: '.status.attempt',
    description: 'Starts of the whole group.',
    priority: 1,
  },
  {
    name: 'Loss',
    type: 'string',
    jsonPath: '.status.progress.loss',
    description: 'Loss of the newest reported step.',
    priority: 1,
  },
];

/** The custom resource definition of TrainingJob, made from its zod schema. */
export function trainingJobDefinition(): CustomResourceDefinition {
  const { group, version, kind, listKind, plural, singular, shortNames, categories } = resource;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, listKind, plural, singular, shortNames: [...shortNames], categories: [...categories] },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description: 'Training of one neural network by a group of workers.',
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string', description: 'Version of the schema of this object.' },
                kind: { type: 'string', description: 'Kind of this object.' },
                metadata: { type: 'object' },
                spec: { ...toStructural(trainingJobSpec), description: 'What is wanted.' },
                status: { ...toStructural(trainingJobStatus), description: 'What is; written by the operator.' },
              },
              'x-kubernetes-validations': [...rootRules],
            },
          },
          subresources: {
            status: {},
            scale: {
              specReplicasPath: '.spec.workers.replicas',
              statusReplicasPath: '.status.replicas',
              labelSelectorPath: '.status.selector',
            },
          },
          additionalPrinterColumns: columns,
        },
      ],
    },
  };
}
