import type { Artifact, TaskDetail } from "../../api/documents.ts";
import { api } from "../../api/swarm.ts";
import { useLoad } from "../../state/load.ts";
import { attempt } from "../../state/notices.ts";
import { visible } from "../../text/visible.ts";
import { Age } from "../../ui/age.tsx";
import { Panel } from "../../ui/panel.tsx";
import { saveFile } from "../../ui/save-file.ts";
import { ScrollX } from "../../ui/scroll-x.tsx";

/** The files that attempts left for people. */
export function ArtifactsPanel({ task }: { task: TaskDetail }) {
  const key = `${task.id} ${task.attempt} ${task.status}`;
  const { value } = useLoad(key, (signal) => api.artifacts(task.id, signal));
  if (value === null || value.artifacts.length === 0) return null;
  return (
    <Panel title="Artifacts" class="artifacts">
      <ArtifactsTable
        artifacts={value.artifacts}
        save={(artifact) => void attempt(() => save(task.id, artifact))}
      />
    </Panel>
  );
}

export function ArtifactsTable({
  artifacts,
  save,
}: {
  artifacts: readonly Artifact[];
  save: (artifact: Artifact) => void;
}) {
  return (
    <ScrollX label="Files">
      <table class="sessions">
        <thead>
          <tr>
            <th>File</th>
            <th class="right">Attempt</th>
            <th class="right">Bytes</th>
            <th class="right">Age</th>
            <th>
              <span class="out-of-sight">Save</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {artifacts.map((artifact) => (
            <tr key={`${artifact.attempt} ${artifact.name}`}>
              <td class="mono">{visible(artifact.name)}</td>
              <td class="right">{artifact.attempt}</td>
              <td class="right nowrap">{artifact.size.toLocaleString("en")}</td>
              <td class="right nowrap">
                <Age from={artifact.stored_at} />
              </td>
              <td class="right">
                {artifact.lost ? (
                  <span class="strong">lost</span>
                ) : (
                  <button type="button" class="button" onClick={() => save(artifact)}>
                    Save
                  </button>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollX>
  );
}

async function save(id: string, artifact: Artifact): Promise<void> {
  saveFile(await api.artifact(id, artifact), artifact.name.split("/").at(-1) ?? "artifact");
}
