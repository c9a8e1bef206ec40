/** The launcher that started this process as a rank, and the rank's numbers. */
export interface Launch {
  readonly rank: number;
  readonly size: number;
  /** Processes of the job on this machine. */
  readonly onThisMachine: number;
  /** The family of MPI libraries that the launcher works with; undefined if any may do. */
  readonly family: 'openmpi' | 'mpich' | undefined;
  /** The launcher's name, for messages. */
  readonly launcher: string;
}

/** Environment variables of launchers, in order of precedence. */
const LAUNCHERS = [
  {
    launcher: "Open MPI's mpirun",
    family: 'openmpi',
    rank: 'OMPI_COMM_WORLD_RANK',
    size: 'OMPI_COMM_WORLD_SIZE',
    local: 'OMPI_COMM_WORLD_LOCAL_SIZE',
  },
  // Hydra (MPICH, Intel MPI, MVAPICH) and srun --mpi=pmi2.
  { launcher: 'mpiexec (PMI)', family: 'mpich', rank: 'PMI_RANK', size: 'PMI_SIZE', local: 'MPI_LOCALNRANKS' },
  // SLURM_NTASKS is also set in a batch script, which is not a task itself; the step's number is not.
  {
    launcher: 'srun',
    family: undefined,
    rank: 'SLURM_PROCID',
    size: 'SLURM_STEP_NUM_TASKS',
    local: 'SLURM_STEP_TASKS_PER_NODE',
  },
  { launcher: 'RANK and WORLD_SIZE', family: undefined, rank: 'RANK', size: 'WORLD_SIZE', local: 'LOCAL_WORLD_SIZE' },
] as const;

/** Reads the launch from the environment; rank 0 of 1 if there is no launcher. */
export function launchOf(env: Readonly<Record<string, string | undefined>>): Launch {
  for (const { launcher, family, rank, size, local } of LAUNCHERS) {
    const [rankHere, sizeHere] = [wholeOf(env[rank]), wholeOf(env[size])];
    if (rankHere === undefined || sizeHere === undefined || rankHere >= sizeHere) continue;
    // Slurm writes `4(x2),3`: tasks per node; all nodes but the last have equally many.
    const onThisMachine = Math.max(1, Number.parseInt(env[local] ?? '1', 10) || 1);
    return { rank: rankHere, size: sizeHere, onThisMachine, family, launcher };
  }
  return { rank: 0, size: 1, onThisMachine: 1, family: undefined, launcher: 'nothing' };
}

function wholeOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}
