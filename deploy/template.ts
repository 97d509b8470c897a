/** The words of CloudFormation that our resources are written in. */
export type Resources = Readonly<Record<string, Resource>>;

export interface Resource {
  readonly Type: string;
  readonly Condition?: string;
  readonly DeletionPolicy?: 'Retain';
  readonly UpdateReplacePolicy?: 'Retain';
  readonly DependsOn?: readonly string[];
  readonly Properties: Readonly<Record<string, unknown>>;
}

export const ref = (id: string) => ({ Ref: id });
export const sub = (text: string) => ({ 'Fn::Sub': text });
export const att = (id: string, name: string) => ({ 'Fn::GetAtt': [id, name] });
export const when = (condition: string, then: unknown, otherwise: unknown) => ({
  'Fn::If': [condition, then, otherwise],
});
export const noValue = { Ref: 'AWS::NoValue' };

/** What osls hands to a script that a variable names. */
export interface OslsVariables {
  resolveConfigurationProperty(path: readonly string[]): Promise<string>;
  resolveVariable(address: string): Promise<string>;
}
